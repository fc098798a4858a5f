//! Rows of the survey: the open part, and the restricted suppliers and output.

use super::{party, reading};
use crate::{
    domain::{
        records::{EnterpriseSurvey, Role},
        violation::Findings,
    },
    proto,
};

pub(super) fn read(
    message: proto::EnterpriseSurvey,
    restricted: Option<proto::EnterpriseSurveyRestricted>,
    findings: &mut Findings,
) -> EnterpriseSurvey {
    let restricted = restricted.unwrap_or_default();
    let mut roles = Vec::with_capacity(message.roles.len());
    for (index, role) in message.roles.iter().enumerate() {
        let role: Option<Role> = findings.within_index("roles", index, |findings| reading::required_token("", role, findings));
        roles.extend(role);
    }
    EnterpriseSurvey {
        filed_on: reading::date("filed_on", message.filed_on, findings),
        enterprise: party::read_required("enterprise", message.enterprise, findings),
        roles,
        product_kinds: reading::product_kinds(&message.product_kinds),
        standards: reading::standards(&message.standards),
        filing_unit: message.filing_unit,
        converted: message.converted,
        exports: message.exports,
        makes_medical: message.makes_medical,
        meltblown_suppliers: party::read_all("meltblown_suppliers", restricted.meltblown_suppliers, findings),
        daily_output: restricted.daily_output,
    }
}

pub(super) fn write(matter: &EnterpriseSurvey) -> (proto::EnterpriseSurvey, proto::EnterpriseSurveyRestricted) {
    let open = proto::EnterpriseSurvey {
        filing_unit: matter.filing_unit.clone(),
        filed_on: matter.filed_on.map(reading::write_date),
        enterprise: Some(party::write(&matter.enterprise)),
        roles: matter.roles.iter().map(|role| reading::write_token(Some(*role))).collect(),
        product_kinds: reading::write_product_kinds(&matter.product_kinds),
        standards: reading::write_standards(&matter.standards),
        converted: matter.converted,
        exports: matter.exports,
        makes_medical: matter.makes_medical,
        withdrawal: None,
    };
    let restricted = proto::EnterpriseSurveyRestricted {
        meltblown_suppliers: matter.meltblown_suppliers.iter().map(party::write).collect(),
        daily_output: matter.daily_output,
    };
    (open, restricted)
}
