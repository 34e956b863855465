//! Enums that stay readable when Graph adds a member.

/// Declares an enum over Graph's member names.
///
/// Known members are read in any casing and written in Graph's own; every other text is kept in `Other`, as it was sent.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$member_doc])* $member,)+
            /// A member this version does not know, as Graph sent it; empty when Graph sent none.
            Other(String),
        }

        impl $name {
            /// Graph's name of the member.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$member => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl Default for $name {
            /// What an absent value reads as: no known member.
            fn default() -> Self {
                Self::Other(String::new())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $(if text.eq_ignore_ascii_case($text) { return Self::$member; })+
                Self::Other(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self::from(text.as_ref()))
            }
        }
    };
}

pub(super) use open_enum;
