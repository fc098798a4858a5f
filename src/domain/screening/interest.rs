//! What to look for: the keys under which records that may matter to a declaration are filed, and whether one found there does.

use std::collections::BTreeSet;

use super::{
    declaration::Declaration,
    known::{NameKeys, SurveyEntry},
    product_match::Goods,
};
use crate::domain::{
    attributes::SubjectKey,
    credit_code::CreditCode,
    names::normalise_text,
    records::{Disposition, Nonconformity},
};

/// Everything a declaration gives to look by; grows by what the survey knows of its parties.
#[derive(Debug, Clone)]
pub struct Interest<'a> {
    declaration: &'a Declaration,
    codes: BTreeSet<CreditCode>,
    names: Vec<NameKeys>,
}

impl<'a> Interest<'a> {
    /// What the declaration itself gives.
    #[must_use]
    pub fn of(declaration: &'a Declaration) -> Self {
        let parties = declaration.parties();
        let codes = parties.iter().filter_map(|(_, party)| party.code.code()).collect();
        let names = parties.iter().map(|(_, party)| NameKeys::of(&party.name)).filter(|name| !name.strict.is_empty()).collect();
        Self { declaration, codes, names }
    }

    /// Takes in what the survey knows: codes of the parties' names, and names of their codes.
    pub fn learn(&mut self, surveys: &[SurveyEntry]) {
        for entry in surveys {
            let by_code = self.codes.contains(&entry.code);
            let by_name = self.names.iter().any(|name| name.equals(&entry.name));
            if by_name {
                self.codes.insert(entry.code);
            }
            if by_code && !self.names.contains(&entry.name) {
                self.names.push(entry.name.clone());
            }
        }
    }

    /// The keys to look under, each once, ascending.
    #[must_use]
    pub fn subjects(&self) -> BTreeSet<SubjectKey> {
        let codes = self.codes.iter().flat_map(|code| ["code", "seller"].map(|label| SubjectKey::of(label, code.as_str())));
        let names = self.names.iter().flat_map(|name| {
            let strict = ["name", "survey-name", "seller"].map(|label| SubjectKey::of(label, &name.strict));
            let form = ["form", "survey-form"].map(|label| SubjectKey::of(label, &name.form));
            strict.into_iter().chain(form)
        });
        let goods = self.declaration.items.iter().flat_map(|item| {
            [("batch", &item.batch), ("brand", &item.brand)].into_iter().filter_map(|(label, text)| {
                let text = normalise_text(text);
                (!text.is_empty()).then(|| SubjectKey::of(label, &text))
            })
        });
        codes.chain(names).chain(goods).collect()
    }

    /// True when one of the parties received goods by this disposition.
    #[must_use]
    pub fn received(&self, disposition: &Disposition) -> bool {
        disposition.consignees.iter().any(|consignee| self.names_party(&consignee.party.name, consignee.party.credit_code))
    }

    fn names_party(&self, name: &str, code: Option<CreditCode>) -> bool {
        code.is_some_and(|code| self.codes.contains(&code)) || {
            let name = NameKeys::of(name);
            self.names.iter().any(|own| own.equals(&name))
        }
    }

    /// True when a nonconformity found under one of the keys may matter. Keys collide, and records move away from them; brand and
    /// batch are shared by many, and count alone only together.
    #[must_use]
    pub fn concerns(&self, record: &Nonconformity, resolved: Option<CreditCode>) -> bool {
        let party = |name: &str, code: Option<CreditCode>| self.names_party(name, code);
        party(&record.producer.name, record.producer.credit_code.or(resolved))
            || record.sampled_party.as_ref().is_some_and(|seller| party(&seller.name, seller.credit_code))
            || {
                let recorded = Goods::recorded(record);
                self.declaration.items.iter().any(|item| Goods::declared(item).brand_and_batch(&recorded).is_some())
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        attributes::subjects_of,
        records::{Content, Matter, Party, RecordReference, examples},
        screening::{DeclarationItem, DeclaredCode, DeclaredParty},
    };

    fn party(name: &str, code: &str) -> DeclaredParty {
        DeclaredParty { name: name.into(), code: DeclaredCode::read(code), region: None }
    }

    fn finds(interest: &Interest<'_>, record: &Nonconformity) -> bool {
        let content = Content { matter: Matter::Nonconformity(Box::new(record.clone())), withdrawal: None };
        let filed = subjects_of(&content);
        let asked = interest.subjects();
        let found = filed.iter().any(|subject| asked.contains(subject));
        assert!(!found || interest.concerns(record, None), "found, but said not to matter");
        found
    }

    #[test]
    fn a_producer_is_found_by_code_and_a_nameless_one_by_name() {
        let mut record = examples::nonconformity(1);
        let code = record.producer.credit_code.expect("a code").as_str().to_owned();
        let by_code = Declaration { maker: party("", &code), ..Declaration::default() };
        assert!(finds(&Interest::of(&by_code), &record));
        record.producer.credit_code = None;
        record.producer.name = "示例口罩有限责任公司".into();
        let by_name = Declaration { exporter: party("示例口罩有限公司", ""), ..Declaration::default() };
        assert!(finds(&Interest::of(&by_name), &record));
        let nobody = Declaration::default();
        assert!(!finds(&Interest::of(&nobody), &record));
    }

    #[test]
    fn a_seller_and_goods_under_a_false_name_are_found() {
        let mut record = examples::nonconformity(1);
        record.sampled_party = Some(Party { name: "示例药房".into(), ..Party::default() });
        let seller = Declaration { exporter: party("示例药房", ""), ..Declaration::default() };
        assert!(finds(&Interest::of(&seller), &record));
        let item = DeclarationItem { brand: record.brand.clone(), batch: record.batch.clone(), ..DeclarationItem::default() };
        let goods = Declaration { items: vec![item], ..Declaration::default() };
        assert!(finds(&Interest::of(&goods), &record));
    }

    #[test]
    fn an_equal_brand_alone_does_not_matter_when_both_batches_are_known() {
        let record = examples::nonconformity(1);
        let item = DeclarationItem { brand: record.brand.clone(), batch: "ANOTHER".into(), ..DeclarationItem::default() };
        let goods = Declaration { items: vec![item], ..Declaration::default() };
        assert!(!Interest::of(&goods).concerns(&record, None));
    }

    #[test]
    fn the_survey_adds_the_code_of_a_name_and_the_names_of_a_code() {
        let survey = examples::survey(1);
        let record = RecordReference {
            record_id: crate::domain::ids::RecordId::parse("amr-330000/1").expect("an id"),
            revision: 1,
            position: 1,
        };
        let entry = SurveyEntry::read(record, &survey).expect("an entry");
        let code = entry.code;
        let named = Declaration { maker: party(&survey.enterprise.name, ""), ..Declaration::default() };
        let mut interest = Interest::of(&named);
        interest.learn(std::slice::from_ref(&entry));
        assert!(interest.subjects().contains(&SubjectKey::of("code", code.as_str())));
        let coded = Declaration { maker: party("", code.as_str()), ..Declaration::default() };
        let mut interest = Interest::of(&coded);
        interest.learn(std::slice::from_ref(&entry));
        assert!(interest.subjects().contains(&SubjectKey::of("name", &entry.name.strict)));
        let mut stranger = Interest::of(&named);
        stranger.learn(&[]);
        assert_eq!(stranger.subjects(), Interest::of(&named).subjects());
    }
}
