//! The compound file (MS-CFB) around an `.xls`: enough of it to know that its chains end, what streams it has, and to read
//! one, so that the workbook's reader is only handed a structure that was walked before.

use super::FileError;

/// First bytes of every compound file.
pub const SIGNATURE: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
/// Streams up to this size live in the mini stream.
const MINI_CUTOFF: usize = 4_096;
/// Bytes of a sector of the mini stream.
const MINI_SECTOR: usize = 64;
/// End of a chain.
const END_OF_CHAIN: u32 = 0xFFFF_FFFE;
/// Sector numbers from here have special meanings.
const RESERVED: u32 = 0xFFFF_FFFA;

/// A compound file whose sector chains were found to end.
pub struct CompoundFile<'a> {
    bytes: &'a [u8],
    sector_size: usize,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    mini_stream: Vec<u8>,
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    start: u32,
    len: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|chunk| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]))
}

fn damage(detail: &str) -> FileError {
    FileError::Damaged { detail: format!("compound file: {detail}") }
}

impl<'a> CompoundFile<'a> {
    /// Walks the file's tables.
    pub fn open(bytes: &'a [u8]) -> Result<Self, FileError> {
        let header = bytes.get(..512).ok_or(FileError::Truncated)?;
        let field = |at| u32_at(header, at).ok_or(FileError::Truncated);
        let sector_size = match u16_at(header, 30) {
            Some(9) => 512,
            Some(12) => 4_096,
            _ => return Err(damage("sector size")),
        };
        let mut file =
            Self { bytes, sector_size, fat: Vec::new(), mini_fat: Vec::new(), mini_stream: Vec::new(), entries: Vec::new() };
        file.read_fat(header, field(68)?)?;
        let directory = file.chain(field(48)?, usize::MAX)?;
        file.entries = directory.chunks_exact(128).map(|entry| read_entry(entry, sector_size)).collect();
        let limit = bytes.len();
        let Some(root) = file.entries.first() else { return Err(damage("no directory")) };
        if file.entries.iter().any(|entry| entry.len > limit) {
            return Err(FileError::Truncated);
        }
        let mini_fat_sectors = field(64)? as usize;
        if mini_fat_sectors > 0 {
            let bytes_of_mini_fat = mini_fat_sectors.saturating_mul(sector_size);
            if bytes_of_mini_fat > limit {
                return Err(FileError::Truncated);
            }
            let mini_stream = file.chain(root.start, root.len)?;
            file.mini_fat = numbers(&file.chain(field(60)?, bytes_of_mini_fat)?).collect();
            file.mini_stream = mini_stream;
        }
        Ok(file)
    }

    /// The sector table lies in sectors listed in the header and, for large files, in a chain of further lists.
    fn read_fat(&mut self, header: &[u8], mut next: u32) -> Result<(), FileError> {
        let mut lists: Vec<u32> = numbers(header.get(76..512).unwrap_or_default()).collect();
        let mut walked = 0;
        while next < RESERVED {
            walked += 1;
            if walked > self.sectors() {
                return Err(damage("the list of tables runs in a circle"));
            }
            lists.extend(numbers(self.sector(next)?));
            next = lists.pop().unwrap_or(END_OF_CHAIN);
        }
        for id in lists.into_iter().filter(|id| *id < RESERVED) {
            let sector = self.sector(id)?;
            self.fat.extend(numbers(sector));
        }
        Ok(())
    }

    fn sectors(&self) -> usize {
        self.bytes.len() / self.sector_size
    }

    fn sector(&self, id: u32) -> Result<&'a [u8], FileError> {
        let start = (id as usize).saturating_add(1).saturating_mul(self.sector_size);
        if start >= self.bytes.len() {
            return Err(FileError::Truncated);
        }
        let end = start.saturating_add(self.sector_size).min(self.bytes.len());
        self.bytes.get(start..end).ok_or(FileError::Truncated)
    }

    /// The bytes of a chain of sectors, at most `len`.
    fn chain(&self, mut id: u32, len: usize) -> Result<Vec<u8>, FileError> {
        let mut out = Vec::new();
        for _ in 0..=self.sectors() {
            if id == END_OF_CHAIN || out.len() >= len {
                out.truncate(len);
                return Ok(out);
            }
            out.extend_from_slice(self.sector(id)?);
            id = *self.fat.get(id as usize).ok_or_else(|| damage("a chain leaves the table"))?;
        }
        Err(damage("a chain runs in a circle"))
    }

    fn mini_chain(&self, mut id: u32, len: usize) -> Result<Vec<u8>, FileError> {
        let mut out = Vec::new();
        while id != END_OF_CHAIN && out.len() < len {
            let start = (id as usize).saturating_mul(MINI_SECTOR);
            out.extend_from_slice(self.mini_stream.get(start..start + MINI_SECTOR).ok_or(FileError::Truncated)?);
            id = *self.mini_fat.get(id as usize).ok_or_else(|| damage("a chain leaves the table"))?;
        }
        out.truncate(len);
        Ok(out)
    }

    /// True when there is a stream or folder of that name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// A stream's bytes; `None` when there is none of that name.
    pub fn stream(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        let Some(entry) = self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        let bytes =
            if entry.len < MINI_CUTOFF { self.mini_chain(entry.start, entry.len)? } else { self.chain(entry.start, entry.len)? };
        if bytes.len() < entry.len { Err(FileError::Truncated) } else { Ok(Some(bytes)) }
    }
}

fn read_entry(entry: &[u8], sector_size: usize) -> Entry {
    let units: Vec<u16> = (0..32).map_while(|i| u16_at(entry, i * 2).filter(|unit| *unit != 0)).collect();
    let low = u32_at(entry, 120).unwrap_or(0) as usize;
    let high = if sector_size == 512 { 0 } else { u32_at(entry, 124).unwrap_or(0) as usize };
    Entry {
        name: String::from_utf16_lossy(&units),
        start: u32_at(entry, 116).unwrap_or(END_OF_CHAIN),
        len: (high << 32).saturating_add(low),
    }
}
