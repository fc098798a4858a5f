//! Where a failed batch went (排查已流入市场的不合格产品流向): what dispositions say was made, sold, recovered and delivered to whom, and
//! what of it does not add up.

use super::{records::Disposition, violation::Text};

/// What is known of the pieces of one batch: the last that any disposition in force stated, `None` = nobody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flow {
    /// Made.
    pub made: Option<u64>,
    /// Sold.
    pub sold: Option<u64>,
    /// Recovered.
    pub recovered: Option<u64>,
    /// Delivered to consignees whose quantities are stated. Restricted, as the consignees are.
    pub consigned: Option<u64>,
    /// A consignee's quantity is not stated.
    pub partly_consigned: bool,
}

impl Flow {
    /// What one disposition says.
    #[must_use]
    pub fn of(disposition: &Disposition) -> Self {
        let stated = disposition.consignees.iter().filter_map(|consignee| consignee.quantity);
        Self {
            made: disposition.quantity_made,
            sold: disposition.quantity_sold,
            recovered: disposition.quantity_recovered,
            consigned: stated.reduce(u64::saturating_add),
            partly_consigned: disposition.consignees.iter().any(|consignee| consignee.quantity.is_none()),
        }
    }

    /// With what a later disposition says: it replaces what it states, and its consignees come to those before.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            made: later.made.or(self.made),
            sold: later.sold.or(self.sold),
            recovered: later.recovered.or(self.recovered),
            consigned: [self.consigned, later.consigned].into_iter().flatten().reduce(u64::saturating_add),
            partly_consigned: self.partly_consigned || later.partly_consigned,
        }
    }

    /// Without what only the restricted section says.
    #[must_use]
    pub fn open(self) -> Self {
        Self { consigned: None, partly_consigned: false, ..self }
    }

    /// True when nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What does not add up, with the field of a disposition that says it.
    #[must_use]
    pub fn differences(&self) -> Vec<(&'static str, Text)> {
        let mut found = Vec::new();
        let mut more = |field, part: Option<u64>, whole: Option<u64>, zh: &str, en: &str| {
            if let (Some(part), Some(whole)) = (part, whole)
                && part > whole
            {
                found.push((
                    field,
                    Text::new(format!("{zh}（{part} > {whole}）；请核对"), format!("{en} ({part} > {whole}); check both")),
                ));
            }
        };
        more("quantity_sold", self.sold, self.made, "销售数量大于生产数量", "more was sold than made");
        more("quantity_recovered", self.recovered, self.sold, "追回数量大于销售数量", "more was recovered than sold");
        more("consignees", self.consigned, self.sold, "流向数量合计大于销售数量", "consignees received more than was sold");
        if !self.partly_consigned
            && let (Some(consigned), Some(sold)) = (self.consigned, self.sold)
            && consigned < sold
        {
            let missing = sold - consigned;
            found.push((
                "consignees",
                Text::new(
                    format!("已售 {sold} 只，流向只说明 {consigned} 只，尚有 {missing} 只去向不明"),
                    format!("{sold} pieces were sold and the consignees account for {consigned}: {missing} are not traced"),
                ),
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::RecordId,
        life_cycle::State,
        records::{Consignee, Party, examples},
    };

    fn disposition(made: Option<u64>, sold: Option<u64>, recovered: Option<u64>, consigned: &[Option<u64>]) -> Flow {
        let of = RecordId::parse("amr-330000/1").expect("an id");
        let consignee = |quantity: &Option<u64>| Consignee { party: Party::default(), quantity: *quantity, delivered_on: None };
        Flow::of(&Disposition {
            quantity_made: made,
            quantity_sold: sold,
            quantity_recovered: recovered,
            consignees: consigned.iter().map(consignee).collect(),
            ..examples::disposition(of, State::Confirmed, State::Ordered)
        })
    }

    fn fields(flow: Flow) -> Vec<&'static str> {
        flow.differences().into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn what_adds_up_is_not_remarked() {
        let whole = disposition(Some(100), Some(60), Some(20), &[Some(40), Some(20)]);
        assert_eq!(fields(whole), [""; 0]);
        assert_eq!(fields(disposition(None, Some(60), None, &[Some(10), None])), [""; 0], "one quantity is not stated");
        assert_eq!(fields(Flow::default()), [""; 0]);
    }

    #[test]
    fn each_part_larger_than_its_whole_is_said() {
        let wrong = disposition(Some(50), Some(60), Some(61), &[Some(62)]);
        assert_eq!(fields(wrong), ["quantity_sold", "quantity_recovered", "consignees"]);
    }

    #[test]
    fn what_was_sold_and_not_traced_is_said_with_its_number() {
        let found = disposition(Some(100), Some(60), None, &[Some(40)]).differences();
        assert!(found[0].1.en.contains("20 are not traced") && found[0].1.zh.contains("20 只去向不明"), "{found:?}");
    }

    #[test]
    fn later_dispositions_replace_quantities_and_add_consignees() {
        let first = disposition(Some(100), Some(60), None, &[Some(40)]);
        let both = first.then(disposition(None, Some(70), Some(5), &[Some(30)]));
        let expected = Flow { made: Some(100), sold: Some(70), recovered: Some(5), consigned: Some(70), partly_consigned: false };
        assert_eq!(both, expected);
        assert_eq!((both.open().consigned, both.open().sold), (None, Some(70)));
        assert_eq!(first.then(disposition(None, None, None, &[])), first);
    }
}
