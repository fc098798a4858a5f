//! Why a file as a whole cannot be read, and what to do about it.

use std::fmt::{self, Write as _};

use crate::domain::violation::{Lang, Text};

/// Why a file as a whole cannot be read. One fact each; [`FileError::text`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// No bytes at all.
    Empty,
    /// More bytes than are read at all.
    TooLarge {
        /// Bytes of the file.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Protected by a password.
    Encrypted,
    /// Ends too early: a broken download or copy.
    Truncated,
    /// Would expand beyond all reason.
    ZipBomb {
        /// What it would expand to, or where counting stopped, in bytes.
        expanded: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Something else than a workbook or a list.
    NotAWorkbook {
        /// What it seems to be.
        found: Text,
    },
    /// A workbook whose inside is broken.
    Damaged {
        /// What the reader said, for support.
        detail: String,
    },
    /// Text in neither UTF-8 nor GB18030.
    Encoding,
    /// No sheet has a header that is known.
    NoKnownHeader {
        /// For each sheet what came nearest.
        found: Vec<NearestHeader>,
    },
    /// A sheet has more than one header: which columns hold which rows cannot be known.
    TwoHeaders {
        /// The sheet.
        sheet: String,
        /// Row of the first header, from 1.
        first: u32,
        /// Row of the second, from 1.
        second: u32,
    },
    /// Two columns of a sheet claim the same meaning.
    SameMeaning {
        /// The sheet.
        sheet: String,
        /// What both mean, in both languages.
        meaning: Text,
        /// The two columns' letters.
        columns: [String; 2],
    },
    /// A header and nothing below it.
    NoRows {
        /// The sheets with a header.
        sheets: Vec<String>,
    },
    /// More rows than are read at once.
    TooManyRows {
        /// Rows allowed.
        limit: usize,
    },
    /// More columns than any form has.
    TooManyColumns {
        /// The cell beyond the limit.
        cell: String,
        /// Columns allowed.
        limit: u32,
    },
    /// A failed-product list without numbers of its own needs a name.
    ListNameRequired,
    /// The list's name cannot be part of a record id.
    ListName {
        /// What was given.
        read: String,
    },
}

/// What came nearest to a header in a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearestHeader {
    /// The sheet.
    pub sheet: String,
    /// Row, from 1, with its cells; `None` = the sheet has no text.
    pub row: Option<(u32, String)>,
    /// What is missing there, in both languages; empty when nothing was understood at all.
    pub missing: Option<Text>,
}

impl FileError {
    /// A stable token.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "FILE_EMPTY",
            Self::TooLarge { .. } => "FILE_TOO_LARGE",
            Self::Encrypted => "FILE_ENCRYPTED",
            Self::Truncated => "FILE_TRUNCATED",
            Self::ZipBomb { .. } => "FILE_EXPANDS_TOO_FAR",
            Self::NotAWorkbook { .. } => "NOT_A_WORKBOOK",
            Self::Damaged { .. } => "FILE_DAMAGED",
            Self::Encoding => "UNKNOWN_ENCODING",
            Self::NoKnownHeader { .. } => "NO_KNOWN_HEADER",
            Self::TwoHeaders { .. } => "TWO_HEADERS",
            Self::SameMeaning { .. } => "SAME_MEANING_TWICE",
            Self::NoRows { .. } => "NO_ROWS",
            Self::TooManyRows { .. } => "TOO_MANY_ROWS",
            Self::TooManyColumns { .. } => "TOO_MANY_COLUMNS",
            Self::ListNameRequired => "LIST_NAME_REQUIRED",
            Self::ListName { .. } => "LIST_NAME_INVALID",
        }
    }

    /// What was found, why it cannot be read, and what to do.
    #[must_use]
    pub fn text(&self) -> Text {
        match self {
            Self::Empty
            | Self::TooLarge { .. }
            | Self::Encrypted
            | Self::Truncated
            | Self::ZipBomb { .. }
            | Self::NotAWorkbook { .. }
            | Self::Damaged { .. }
            | Self::Encoding => self.text_of_bytes(),
            _ => self.text_of_layout(),
        }
    }

    fn text_of_bytes(&self) -> Text {
        match self {
            Self::TooLarge { bytes, limit } => Text::new(
                format!("文件有 {} MiB，超过上限 {} MiB。请拆分成几个文件再导入。", bytes >> 20, limit >> 20),
                format!("the file has {} MiB, the limit is {} MiB: split it into several files", bytes >> 20, limit >> 20),
            ),
            Self::Encrypted => Text::new(
                "文件有打开密码，无法读取。请在 Excel/WPS 中取消密码后另存，再导入。",
                "the file is protected by a password: remove it in Excel or WPS, save, and import again",
            ),
            Self::Truncated => Text::new(
                "文件不完整（可能下载或复制中断）。请重新获取该文件，并确认在 Excel/WPS 中能打开。",
                "the file ends too early (a broken download or copy): fetch it again and make sure that Excel or WPS opens it",
            ),
            Self::ZipBomb { expanded, limit } => Text::new(
                format!(
                    "文件解压后至少 {} MiB，超出合理范围（上限 {} MiB），未展开。请删除多余的空行、图片和格式后另存。",
                    expanded >> 20,
                    limit >> 20
                ),
                format!(
                    "the file would expand to at least {} MiB, beyond reason (limit {} MiB), and was not expanded: delete surplus blank rows, pictures and formats, and save it anew",
                    expanded >> 20,
                    limit >> 20
                ),
            ),
            Self::NotAWorkbook { found } => Text::new(
                format!("这不是工作簿或列表，而是{}。请另存为 .xlsx、.xls 或 .csv 再导入。", found.zh),
                format!("this is not a workbook or list but {}: save it as .xlsx, .xls or .csv", found.en),
            ),
            Self::Damaged { detail } => Text::new(
                format!("工作簿已损坏（{detail}）。请在 Excel/WPS 中打开并另存后再导入。"),
                format!("the workbook is damaged ({detail}): open it in Excel or WPS, save it anew and import that"),
            ),
            Self::Encoding => Text::new(
                "文本编码既不是 UTF-8 也不是 GB18030。请另存为“CSV UTF-8”或 .xlsx。",
                "the text is neither UTF-8 nor GB18030: save it as “CSV UTF-8” or .xlsx",
            ),
            _ => Text::new("文件是空的（0 字节）。请检查导出的文件。", "the file is empty (0 bytes): check what was exported"),
        }
    }

    fn text_of_layout(&self) -> Text {
        match self {
            Self::NoKnownHeader { found } => no_known_header(found),
            Self::TwoHeaders { sheet, first, second } => Text::new(
                format!(
                    "工作表“{sheet}”有两处表头（第 {first} 行和第 {second} 行），无法判断各行属于哪一个。请每个工作表只保留一张表。"
                ),
                format!(
                    "sheet “{sheet}” has two headers (rows {first} and {second}), so it is not known which rows belong to which: keep one table per sheet"
                ),
            ),
            Self::SameMeaning { sheet, meaning, columns: [a, b] } => Text::new(
                format!("工作表“{sheet}”的 {a} 列和 {b} 列都是“{}”。请只保留一列，或写明区别。", meaning.zh),
                format!("columns {a} and {b} of sheet “{sheet}” both mean “{}”: keep one, or say what differs", meaning.en),
            ),
            Self::NoRows { sheets } => Text::new(
                format!("工作表“{}”有表头，但没有数据行。请填入数据，或选对文件。", sheets.join("”、“")),
                format!("sheet “{}” has a header but no rows of data: fill it in, or choose the right file", sheets.join("”, “")),
            ),
            Self::TooManyRows { limit } => Text::new(
                format!("数据超过 {limit} 行。请拆分成几个文件再导入。"),
                format!("there are more than {limit} rows of data: split the file"),
            ),
            Self::TooManyColumns { cell, limit } => Text::new(
                format!("单元格 {cell} 超出 {limit} 列。请删除表格右侧的多余内容。"),
                format!("cell {cell} lies beyond {limit} columns: delete what stands to the right of the table"),
            ),
            Self::ListName { read } => Text::new(
                format!("名单名称“{read}”不能用作编号：须为 1 至 100 个字符，不含空白和“/”。例：--list 2020-国抽-口罩"),
                format!(
                    "the list name `{read}` cannot be part of a record id: 1 to 100 characters without white space and `/`, e.g. --list 2020-national-masks"
                ),
            ),
            _ => Text::new(
                "该名单没有抽样编号或报告编号，须用 --list 给名单命名（编号为“名单/行号”）。例：--list 2020-国抽-口罩",
                "the list has no sampling or report numbers: name it with --list (ids are then list/row), e.g. --list 2020-national-masks",
            ),
        }
    }
}

fn no_known_header(found: &[NearestHeader]) -> Text {
    let mut zh = String::from("没有找到可识别的表头。");
    let mut en = String::from("no known header was found.");
    for nearest in found.iter().take(5) {
        match (&nearest.row, &nearest.missing) {
            (Some((row, cells)), Some(missing)) => {
                let _ = write!(zh, "工作表“{}”第 {row} 行最接近（{cells}），缺少：{}。", nearest.sheet, missing.zh);
                let _ = write!(en, " Sheet “{}” row {row} comes nearest ({cells}), missing: {}.", nearest.sheet, missing.en);
            }
            (Some((row, cells)), None) => {
                let _ = write!(zh, "工作表“{}”第 {row} 行起为：{cells}。", nearest.sheet);
                let _ = write!(en, " Sheet “{}” begins in row {row} with: {cells}.", nearest.sheet);
            }
            _ => {
                let _ = write!(zh, "工作表“{}”没有内容。", nearest.sheet);
                let _ = write!(en, " Sheet “{}” is blank.", nearest.sheet);
            }
        }
    }
    zh += "应为调查汇总表（生产企业名称、统一社会信用代码、产品品种……）或不合格名单（企业名称、产品名称、不合格项目……）的表头。";
    en += " Expected is the header of the survey form (producer, unified social credit code, product kinds, …) or of a \
           failed-product list (enterprise, product name, failed items, …).";
    Text::new(zh, en)
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().get(Lang::En))
    }
}

impl std::error::Error for FileError {}
