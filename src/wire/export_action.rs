//! What customs did.

use super::{party, reading};
use crate::{
    domain::{
        records::{CustomsAction, ExportAction},
        violation::Findings,
    },
    proto,
};

pub(super) fn read(message: proto::ExportAction, findings: &mut Findings) -> ExportAction {
    ExportAction {
        records: party::read_references(message.records, findings),
        // Where none is stated that has been said, and the value is dropped.
        action: reading::required_token("action", &message.action, findings).unwrap_or(CustomsAction::Held),
        maker: reading::credit_code("maker_credit_code", &message.maker_credit_code, findings),
        declaration_number: message.declaration_number,
        item_number: message.item_number,
        office: message.office,
        screening_id: message.screening_id,
        quantity: message.quantity,
        acted_at: message.acted_at_us,
        remark: message.remark,
    }
}

pub(super) fn write(matter: &ExportAction) -> proto::ExportAction {
    proto::ExportAction {
        declaration_number: matter.declaration_number.clone(),
        item_number: matter.item_number,
        office: matter.office.clone(),
        screening_id: matter.screening_id.clone(),
        records: party::write_references(&matter.records),
        action: reading::write_token(Some(matter.action)),
        quantity: matter.quantity,
        acted_at_us: matter.acted_at,
        maker_credit_code: matter.maker.map(|code| code.as_str().to_owned()).unwrap_or_default(),
        remark: matter.remark.clone(),
        withdrawal: None,
    }
}
