//! How a vocabulary is written down: an enum whose doc comments say what each word means, and beside each word what to do about
//! it. `docs/conditions.md` is made from both, so that the page and the code cannot disagree.

macro_rules! vocabulary {
    (
        $(#[$attribute:meta])*
        pub enum $Enum:ident {
            $($(#[doc = $doc:literal])+ $name:ident => $advice:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $Enum {
            $($(#[doc = $doc])+ $name,)+
        }

        impl $Enum {
            /// Every word there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word as it is written in Kubernetes.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What it means, in Markdown.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim(),)+
                }
            }

            /// What to do about it, in Markdown.
            #[must_use]
            pub const fn what_to_do(self) -> &'static str {
                match self {
                    $(Self::$name => $advice,)+
                }
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(super) use vocabulary;
