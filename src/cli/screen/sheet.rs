//! Declarations as a table: a row an item. Rows that follow each other under one number are one declaration.

use csv::{Position, StringRecord};

use super::{declaration::civil_date, files::Mistake};
use crate::{
    domain::violation::Text,
    proto::{Declaration, DeclarationItem, Party},
};

/// What a column may be called.
const COLUMNS: [&str; 22] = [
    "number",
    "exporter",
    "exporter_code",
    "producing_or_selling_unit",
    "producing_or_selling_unit_code",
    "maker",
    "maker_code",
    "joint_declaration",
    "declared_on",
    "departs_on",
    "office",
    "goods_name",
    "hs_code",
    "brand",
    "model",
    "specification",
    "batch",
    "produced_on",
    "claimed_standard",
    "standard",
    "product_kind",
    "quantity",
];

/// Reads a table; every mistake is found at once. Answers each declaration with the line it begins in.
pub(super) fn read(text: &str, mistakes: &mut Vec<Mistake>) -> Vec<(u64, Declaration)> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let head = match reader.headers() {
        Ok(head) => head.clone(),
        Err(error) => {
            mistakes.push(torn(&error));
            return Vec::new();
        }
    };
    let before = mistakes.len();
    for (index, name) in head.iter().enumerate() {
        let twice = head.iter().take(index).any(|earlier| earlier == name);
        if twice || !COLUMNS.contains(&name) {
            let known = COLUMNS.join(", ");
            let text = Text::new(
                format!("列“{name}”不认识或重复；可用的列：{known}"),
                format!("the column `{name}` is not known, or is there twice; one of: {known}"),
            );
            mistakes.push(Mistake::at(1, index as u64 + 1, text));
        }
    }
    if mistakes.len() > before {
        return Vec::new();
    }
    let mut declarations: Vec<(u64, Declaration)> = Vec::new();
    for row in reader.records() {
        match row {
            Ok(row) => {
                let line = row.position().map_or(0, Position::line);
                Cells { head: &head, row: &row, line, mistakes }.add_to(&mut declarations);
            }
            Err(error) => mistakes.push(torn(&error)),
        }
    }
    declarations
}

/// A row that is none.
fn torn(error: &csv::Error) -> Mistake {
    let line = error.position().map_or(1, Position::line);
    Mistake::at(line, 1, Text::new(format!("不是表格的一行：{error}"), format!("no row of the table: {error}")))
}

/// A row.
struct Cells<'a> {
    head: &'a StringRecord,
    row: &'a StringRecord,
    line: u64,
    mistakes: &'a mut Vec<Mistake>,
}

impl Cells<'_> {
    fn text(&self, column: &str) -> String {
        let at = self.head.iter().position(|name| name == column);
        at.and_then(|at| self.row.get(at)).unwrap_or_default().to_owned()
    }

    fn wrong(&mut self, column: &str, text: Text) {
        let at = self.head.iter().position(|name| name == column).unwrap_or_default();
        self.mistakes.push(Mistake::at(self.line, at as u64 + 1, text));
    }

    /// A cell that is read into something; empty = not stated.
    fn read<T>(&mut self, column: &str, read: impl FnOnce(&str) -> Option<T>, zh: &str, en: &str) -> Option<T> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        let value = read(&text);
        if value.is_none() {
            self.wrong(column, Text::new(format!("{column}：“{text}”{zh}"), format!("{column}: `{text}` {en}")));
        }
        value
    }

    fn date(&mut self, column: &str) -> Option<crate::proto::CivilDate> {
        self.read(column, civil_date, "不是日期；请写作 2020-05-20", "is no date; write 2020-05-20")
    }

    fn party(&self, column: &str) -> Option<Party> {
        let (name, credit_code) = (self.text(column), self.text(&format!("{column}_code")));
        let given = !name.is_empty() || !credit_code.is_empty();
        given.then(|| Party { name, credit_code, ..Party::default() })
    }

    /// An item of the declaration before, or the first of another.
    fn add_to(&mut self, declarations: &mut Vec<(u64, Declaration)>) {
        let declaration = Declaration {
            number: self.text("number"),
            exporter: self.party("exporter"),
            producing_or_selling_unit: self.party("producing_or_selling_unit"),
            maker: self.party("maker"),
            joint_declaration: self.text("joint_declaration"),
            declared_on: self.date("declared_on"),
            departs_on: self.date("departs_on"),
            office: self.text("office"),
            items: Vec::new(),
        };
        let item = DeclarationItem {
            goods_name: self.text("goods_name"),
            hs_code: self.text("hs_code"),
            brand: self.text("brand"),
            model: self.text("model"),
            specification: self.text("specification"),
            batch: self.text("batch"),
            produced_on: self.date("produced_on"),
            claimed_standard: self.text("claimed_standard"),
            standard: self.text("standard"),
            product_kind: self.text("product_kind"),
            quantity: self.read("quantity", |text| text.parse().ok(), "不是件数", "is no number of pieces"),
        };
        let same = |known: &&mut (u64, Declaration)| !declaration.number.is_empty() && known.1.number == declaration.number;
        match declarations.last_mut().filter(same) {
            Some((_, known)) => {
                let differs = Declaration { items: Vec::new(), ..known.clone() } != declaration;
                if differs {
                    let number = &declaration.number;
                    let text = Text::new(
                        format!("报关单 {number} 的各行除商品外须相同"),
                        format!("the rows of declaration {number} must be equal but for the goods"),
                    );
                    self.wrong("number", text);
                }
                known.items.push(item);
            }
            None => declarations.push((self.line, Declaration { items: vec![item], ..declaration })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::violation::Lang;

    /// Line and column.
    type Place = (u64, u64);

    fn read_all(text: &str) -> (Vec<(u64, Declaration)>, Vec<Place>) {
        let mut mistakes = Vec::new();
        let declarations = read(text, &mut mistakes);
        assert!(mistakes.iter().all(|mistake| !mistake.text.get(Lang::Zh).is_empty()));
        (declarations, mistakes.iter().map(|mistake| (mistake.line, mistake.column)).collect())
    }

    #[test]
    fn rows_under_one_number_are_items_of_one_declaration() {
        let (read, mistakes) = read_all(
            "number,maker,maker_code,goods_name,produced_on,quantity\n\
             53002020,示例公司,,口罩,2020-04,100\n53002020,示例公司,,防护口罩,,\n,,91330106PDY00001XM,口罩,2020-05-01,7\n,,,口罩,,\n",
        );
        assert_eq!(mistakes, []);
        let shapes: Vec<_> = read.iter().map(|(line, one)| (*line, one.number.as_str(), one.items.len())).collect();
        assert_eq!(shapes, [(2, "53002020", 2), (4, "", 1), (5, "", 1)]);
        assert_eq!(read[0].1.items[0].quantity, Some(100));
        assert_eq!(read[1].1.maker.as_ref().map(|maker| maker.credit_code.as_str()), Some("91330106PDY00001XM"));
        assert_eq!(read[2].1.maker, None);
    }

    #[test]
    fn every_mistake_has_its_line_and_column() {
        let (_, mistakes) = read_all("number,goods_name,produced_on,quantity\n1,口罩,spring,many\n2,口罩\n3,口罩,2020-04-01,1\n");
        assert_eq!(mistakes, [(2, 3), (2, 4), (3, 1)]);
        assert_eq!(read_all("number,colour,number\n").1, [(1, 2), (1, 3)]);
        assert_eq!(read_all("number,maker,goods_name\n1,甲公司,口罩\n1,乙公司,口罩\n").1, [(3, 1)]);
    }
}
