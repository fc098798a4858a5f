//! Any content that passes its checks on 1 June 2020. Strategies are boxed: unboxed, their nesting exceeds a test's stack.

use proptest::{option, prelude::*, sample::select};

use crate::domain::{
    credit_code::{CreditCode, LegacyIdentifier},
    dates::CivilDate,
    ids::RecordId,
    items::InspectionItem,
    life_cycle::State,
    products::ProductKind,
    records::{
        Consignee, Content, CustomsAction, Disposition, Doubt, DoubtAnswer, DoubtOutcome, EnterpriseSurvey, ExportAction,
        ExportQualification, InspectionResult, Matter, Nonconformity, NoticeAcknowledgement, Party, ProducerDecision,
        RecordReference, Role, SamplingField, SamplingSummary, Severity, Token, TrackChange, UrgentNotice, examples,
    },
    regions::Region,
    standards::Standard,
};

fn token<T: Token + std::fmt::Debug>() -> impl Strategy<Value = T> {
    select(T::ALL)
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![Just(String::new()), "[一-龥A-Za-z0-9 /（）.-]{0,20}", "\\PC{0,12}"].boxed()
}

fn words() -> BoxedStrategy<String> {
    "[一-龥A-Z]{1,12}".boxed()
}

fn date() -> BoxedStrategy<CivilDate> {
    (1900_u32..2020, 0_u32..=12, 0_u32..=28)
        .prop_map(|(year, month, day)| CivilDate::of_parts(year, month, if month == 0 { 0 } else { day }).expect("a date"))
        .boxed()
}

fn day() -> BoxedStrategy<CivilDate> {
    (1900_u16..=2020, 1_u8..=5, 1_u8..=28).prop_map(|(year, month, day)| CivilDate::day(year, month, day).expect("a day")).boxed()
}

fn code() -> BoxedStrategy<CreditCode> {
    (110_000_u32..660_000, 1_u32..100_000).prop_map(|(region, n)| CreditCode::synthetic(region, n)).boxed()
}

fn party() -> BoxedStrategy<Party> {
    let legacy = select(vec![None, LegacyIdentifier::parse("723009295"), LegacyIdentifier::parse("440301103097413")]);
    let region = prop_oneof![Just(None), Just(Region::parse("66")), (100_000_u32..999_999).prop_map(Region::from_number)];
    (words(), option::of(code()), legacy, text(), region)
        .prop_map(|(name, credit_code, legacy_identifier, address, region)| Party {
            name,
            credit_code,
            legacy_identifier,
            address,
            region,
        })
        .boxed()
}

fn party_with_code() -> BoxedStrategy<Party> {
    (party(), code()).prop_map(|(party, code)| Party { credit_code: Some(code), ..party }).boxed()
}

fn kind() -> BoxedStrategy<ProductKind> {
    prop_oneof![select(ProductKind::KNOWN), words().prop_map(|wording| ProductKind::parse(&wording))].boxed()
}

fn kind_of_survey() -> BoxedStrategy<ProductKind> {
    kind().prop_filter("the survey is of non-medical masks", |kind| *kind != ProductKind::Medical).boxed()
}

fn standards() -> BoxedStrategy<Vec<Standard>> {
    let standard = prop_oneof![Just("GB/T 32610-2016".to_owned()), "[A-Z/]{1,6}[0-9]{1,5}-20[0-9]{2}"];
    prop::collection::vec(standard.prop_map(|text| Standard::parse(&text)), 0..4).boxed()
}

fn record_id() -> BoxedStrategy<RecordId> {
    "amr-[0-9]{6}/[0-9A-Z]{1,12}".prop_map(|text| RecordId::parse(&text).expect("a record id")).boxed()
}

fn references() -> BoxedStrategy<Vec<RecordReference>> {
    let reference = (record_id(), 1_u32.., 1_u64..);
    prop::collection::vec(
        reference.prop_map(|(record_id, revision, position)| RecordReference { record_id, revision, position }),
        0..3,
    )
    .boxed()
}

fn item() -> BoxedStrategy<InspectionResult> {
    let item = prop_oneof![
        select(InspectionItem::all_known().collect::<Vec<_>>()),
        words().prop_map(|wording| InspectionItem::parse(&wording))
    ];
    (item, [text(), text(), text(), text(), text(), text()], any::<bool>())
        .prop_map(|(item, [medium, clause, measured, comparator, limit, unit], failed)| InspectionResult {
            item,
            medium,
            clause,
            measured,
            comparator,
            limit,
            unit,
            failed,
        })
        .boxed()
}

fn nonconformity() -> BoxedStrategy<Nonconformity> {
    let texts = prop::array::uniform12(text());
    let tokens = (option::of(token()), option::of(token()), token(), token::<State>());
    let dates = (option::of(day()), option::of(date()), option::of(date()));
    let parties = (party(), option::of(party()));
    let product = (words(), option::of(kind()), standards());
    let numbers = (option::of(any::<u64>()), option::of(any::<u64>()));
    let items = prop::collection::vec(item(), 0..4);
    (texts, tokens, dates, parties, product, numbers, items)
        .prop_map(|(texts, tokens, dates, parties, product, numbers, mut items)| {
            let [
                campaign,
                sampling_number,
                report_number,
                organiser,
                handler,
                brand,
                model,
                grade,
                specification,
                batch,
                raw,
                laboratory,
            ] = texts;
            items.push(examples::failed_filtration());
            Nonconformity {
                campaign,
                sampling_number,
                report_number,
                organiser,
                handler: handler.clone(),
                brand,
                model,
                grade,
                specification,
                batch,
                date_and_batch_raw: raw,
                laboratory,
                handling_raw: handler,
                level: tokens.0,
                field: tokens.1,
                attribution: tokens.2,
                initial_state: tokens.3,
                sampled_on: dates.0,
                reported_on: dates.0,
                notified_on: dates.1,
                published_on: dates.0,
                produced_on: dates.2,
                producer: parties.0,
                sampled_party: parties.1,
                product_name: product.0,
                product_kind: product.1,
                claimed_standards: product.2,
                batch_quantity: numbers.0,
                sample_quantity: numbers.1,
                items,
            }
        })
        .boxed()
}

fn disposition() -> BoxedStrategy<Disposition> {
    let track = (token(), token(), token()).prop_map(|(track, step, scope)| TrackChange { track, step, scope });
    let consignee = (party(), option::of(any::<u64>()), option::of(date()))
        .prop_map(|(party, quantity, delivered_on)| Consignee { party, quantity, delivered_on });
    let steps = (record_id(), option::of((token(), token())), option::of(track));
    let texts = (words(), words(), text(), text(), words(), text());
    let numbers = (option::of(any::<u64>()), option::of(any::<u64>()), option::of(any::<u64>()));
    (steps, texts, day(), numbers, prop::collection::vec(consignee, 0..3))
        .prop_map(|(steps, texts, taken_on, numbers, consignees)| Disposition {
            nonconformity: steps.0,
            change: steps.1,
            track: steps.2,
            measure: texts.0,
            authority: texts.1,
            document_number: texts.2,
            legal_basis: texts.3,
            reason: texts.4,
            case_detail: texts.5,
            taken_on,
            due_on: taken_on.plus_days(60),
            quantity_made: numbers.0,
            quantity_sold: numbers.1,
            quantity_recovered: numbers.2,
            consignees,
        })
        .boxed()
}

fn survey() -> BoxedStrategy<EnterpriseSurvey> {
    let lists = (prop::collection::vec(kind_of_survey(), 1..4), standards(), prop::collection::vec(party(), 0..3));
    let marks = (option::of(any::<bool>()), option::of(any::<bool>()), option::of(any::<bool>()));
    let roles = prop_oneof![Just(vec![Role::MaskMaker]), Just(vec![Role::RawMaterialMaker, Role::MaskMaker])];
    (text(), option::of(date()), party_with_code(), roles, lists, marks, option::of(any::<u64>()))
        .prop_map(|(filing_unit, filed_on, enterprise, roles, lists, marks, daily_output)| EnterpriseSurvey {
            filing_unit,
            filed_on,
            enterprise,
            roles,
            product_kinds: lists.0,
            standards: lists.1,
            meltblown_suppliers: lists.2,
            converted: marks.0,
            exports: marks.1,
            makes_medical: marks.2,
            daily_output,
        })
        .boxed()
}

fn qualification() -> BoxedStrategy<ExportQualification> {
    let lists = (prop::collection::vec(kind(), 0..3), prop::collection::vec("[A-Z]{2}", 0..4));
    (party_with_code(), words(), text(), text(), lists, day(), any::<bool>())
        .prop_map(|(enterprise, certificate_number, certifier, scheme, lists, valid_from, ends)| ExportQualification {
            enterprise,
            certificate_number,
            certifier,
            scheme,
            product_kinds: lists.0,
            countries: lists.1,
            valid_from,
            valid_to: ends.then(|| valid_from.plus_days(365)).flatten(),
        })
        .boxed()
}

fn action() -> BoxedStrategy<ExportAction> {
    let declaration = "[0-9]{8}0[0-9]{9}";
    let numbers = (any::<u32>(), option::of(any::<u64>()), 1_i64..1_590_000_000_000_000);
    (declaration, "[0-9]{4}", text(), text(), references(), token::<CustomsAction>(), numbers, option::of(code()))
        .prop_map(|(declaration_number, office, screening_id, remark, records, action, numbers, maker)| ExportAction {
            declaration_number,
            item_number: numbers.0,
            office,
            screening_id,
            records,
            action,
            quantity: numbers.1,
            acted_at: numbers.2,
            maker,
            remark,
        })
        .boxed()
}

fn notice() -> BoxedStrategy<UrgentNotice> {
    let regions = prop::collection::vec((100_000_u32..999_999).prop_map(|n| Region::from_number(n).expect("a region")), 0..3);
    let lists = (regions, prop::collection::vec(kind(), 0..3), references());
    (words(), words(), token::<Severity>(), lists, 1_i64..1_590_000_000_000_000, option::of(party()))
        .prop_map(|(title, text, severity, lists, issued_at, enterprise)| UrgentNotice {
            title,
            text,
            severity,
            regions: lists.0,
            product_kinds: lists.1,
            records: lists.2,
            issued_at,
            enterprise,
        })
        .boxed()
}

fn reply() -> BoxedStrategy<Matter> {
    let reference = references().prop_filter_map("one reference", |mut references| references.pop());
    (reference, words(), token::<DoubtOutcome>(), 0..3)
        .prop_map(|(about, text, outcome, which)| match which {
            0 => Matter::Doubt(Box::new(Doubt { about, text })),
            1 => Matter::DoubtAnswer(Box::new(DoubtAnswer { doubt: about.record_id, outcome, text })),
            _ => Matter::NoticeAcknowledgement(Box::new(NoticeAcknowledgement { notice: about.record_id, remark: text })),
        })
        .boxed()
}

fn sampling() -> BoxedStrategy<Matter> {
    let region = (100_000_u32..999_999).prop_map(|n| Region::from_number(n).expect("a region"));
    let numbers = (0..1_000_u64, 0..1_000_u64, option::of(0..1_000_u64));
    (words(), region, kind(), token::<SamplingField>(), numbers, 0_i64..1_590_000_000_000_000)
        .prop_map(|(campaign, region, product_kind, field, (failed, passed, producers), at)| {
            let sampled = failed + passed;
            let producers = producers.map(|producers| producers.min(sampled));
            let complete_to = CivilDate::of_instant(at);
            let summary = SamplingSummary { campaign, region, product_kind, field, sampled, failed, producers, complete_to };
            Matter::SamplingSummary(Box::new(summary))
        })
        .boxed()
}

fn decision() -> BoxedStrategy<ProducerDecision> {
    let ids = || "[a-z]{2,8}/[A-Z0-9]{1,12}".prop_map(|id| RecordId::parse(&id).expect("an id"));
    (ids(), words(), option::of(0_u64..9_000), words(), option::of(ids()))
        .prop_map(|(nonconformity, producer_name, code, reason, survey_record_id)| ProducerDecision {
            nonconformity,
            producer_name,
            credit_code: code.map(examples::credit_code),
            reason,
            survey_record_id,
        })
        .boxed()
}

/// Any content of any kind.
pub(super) fn content() -> BoxedStrategy<Content> {
    let matter = prop_oneof![
        nonconformity().prop_map(|matter| Matter::Nonconformity(Box::new(matter))),
        disposition().prop_map(|matter| Matter::Disposition(Box::new(matter))),
        survey().prop_map(|matter| Matter::EnterpriseSurvey(Box::new(matter))),
        qualification().prop_map(|matter| Matter::ExportQualification(Box::new(matter))),
        action().prop_map(|matter| Matter::ExportAction(Box::new(matter))),
        notice().prop_map(|matter| Matter::UrgentNotice(Box::new(matter))),
        reply(),
        sampling(),
        decision().prop_map(|matter| Matter::ProducerDecision(Box::new(matter))),
    ];
    (matter, option::of(words())).prop_map(|(matter, withdrawal)| Content { matter, withdrawal }).boxed()
}
