//! Closed sets of values that travel as tokens.

/// A closed set of values, each with a token for machines and a name for people.
pub trait Token: Copy + PartialEq + Sized + 'static {
    /// All values. Append-only: the order is kept in packed forms.
    const ALL: &'static [Self];

    /// Token as in the protocol.
    fn token(self) -> &'static str;

    /// Chinese name.
    fn name_zh(self) -> &'static str;

    /// The value of that token.
    fn parse(token: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.token() == token)
    }
}

impl Token for super::State {
    const ALL: &'static [Self] = &Self::ALL;

    fn token(self) -> &'static str {
        Self::token(self)
    }

    fn name_zh(self) -> &'static str {
        Self::name_zh(self)
    }
}

/// Declares an enum with its tokens and Chinese names, so that the three cannot drift apart.
macro_rules! tokens {
    ($(#[$on_enum:meta])* pub enum $name:ident {
        $($(#[$on_variant:meta])* $variant:ident = $token:literal, $zh:literal;)+
    }) => {
        $(#[$on_enum])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = $zh] $(#[$on_variant])* $variant,)+
        }

        impl $crate::domain::records::Token for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn token(self) -> &'static str {
                match self { $(Self::$variant => $token,)+ }
            }

            fn name_zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)+ }
            }
        }
    };
}
pub(in crate::domain) use tokens;

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fmt::Debug};

    use super::Token;
    use crate::domain::{
        life_cycle::State,
        records::{
            Attribution, CustomsAction, DoubtOutcome, Level, Role, SamplingField, Severity, TrackKind, TrackScope, TrackStep,
        },
    };

    fn comes_back<T: Token + Debug>() {
        let mut seen = HashSet::new();
        for value in T::ALL {
            assert_eq!(T::parse(value.token()), Some(*value));
            assert!(seen.insert(value.token()) && !value.name_zh().is_empty());
        }
        assert_eq!(T::parse(""), None);
        assert_eq!(T::parse("none of these"), None);
    }

    #[test]
    fn every_token_comes_back() {
        comes_back::<State>();
        comes_back::<Level>();
        comes_back::<SamplingField>();
        comes_back::<Attribution>();
        comes_back::<TrackKind>();
        comes_back::<TrackScope>();
        comes_back::<TrackStep>();
        comes_back::<Role>();
        comes_back::<CustomsAction>();
        comes_back::<Severity>();
        comes_back::<DoubtOutcome>();
    }
}
