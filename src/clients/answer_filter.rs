//! Removes what the operator does not use from the metadata of objects, while an answer of the API server comes in.
//!
//! Any editor of a namespace can attach a megabyte of annotations, labels, owners and managed fields to an object, and
//! nearly every object carries its whole manifest once more, in `kubectl.kubernetes.io/last-applied-configuration`.
//! None of that is ever in memory as a whole: the filter sees an answer in the pieces in which it arrives, and passes on
//! what is kept. Everything that the program knows of an object has passed it: lists, watches, and the answers to reads
//! and writes.
//!
//! Patches name what they change, so that nothing is removed from an object in the cluster for being unknown here.
//! Finalizers are kept, because they are written as a whole.
//!
//! What is not a JSON object passes unchanged.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::annotation;

/// The metadata that a client keeps.
#[derive(Clone, Debug)]
pub(super) enum KeptMetadata {
    /// All but the managed fields: the lease is replaced as a whole.
    All,
    /// What the operator uses of its resources, and these labels.
    Used {
        /// Names of the labels in the label selector.
        labels: Arc<BTreeSet<String>>,
    },
}

/// A filter for one answer.
#[derive(Debug)]
pub(super) struct AnswerFilter {
    kept: KeptMetadata,
    /// The objects and lists that the current position is in, outermost first.
    frames: Vec<FilterFrame>,
    state: FilterState,
    /// The name of the current member, as JSON.
    name: Vec<u8>,
}

#[derive(Debug)]
struct FilterFrame {
    place: FilterPlace,
    /// Whether a member or item was passed on.
    has_members: bool,
}

/// A part of an answer that the filter looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilterPlace {
    /// An object, a list of objects, or an event of a watch.
    Answer,
    Items,
    Object,
    Metadata,
    Annotations,
    Labels,
}

/// What is done with a member.
enum Treatment {
    Removed,
    Kept,
    Entered(FilterPlace),
}

#[derive(Debug)]
enum FilterState {
    /// Before the value at a place.
    Value(FilterPlace),
    /// In an object, before a name or the end.
    Member,
    /// In a name.
    Name { escaped: bool },
    /// Behind a name.
    Colon,
    /// In a list, before an item or the end.
    Item,
    /// In a value that is passed on or removed as a whole.
    Whole(WholeValue),
    /// In text that is not as expected, of which all is passed on.
    Verbatim,
}

#[derive(Debug)]
struct WholeValue {
    is_kept: bool,
    /// Number of open objects and lists.
    depth: usize,
    position: ValuePosition,
}

/// Where in a value the filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValuePosition {
    /// Before its first character.
    Before,
    /// In it, and not in a text.
    Bare,
    /// In a text.
    Quoted,
    /// Behind a backslash in a text.
    Escaped,
}

/// Whether a byte was used, or belongs to what follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ByteUse {
    Used,
    Left,
}

impl AnswerFilter {
    pub(super) fn new(kept: KeptMetadata) -> Self {
        Self {
            kept,
            frames: Vec::new(),
            state: FilterState::Value(FilterPlace::Answer),
            name: Vec::new(),
        }
    }

    /// Appends what is kept of the next piece of the answer to `out`.
    pub(super) fn pass(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some((byte, after)) = rest.split_first() {
            if let FilterState::Whole(value) = &self.state
                && let Some(length) = value.run(rest)
            {
                if value.is_kept {
                    out.extend_from_slice(&rest[..length]);
                }
                rest = &rest[length..];
            } else if self.step(*byte, out) == ByteUse::Used {
                rest = after;
            }
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) -> ByteUse {
        match &mut self.state {
            FilterState::Value(place) => {
                let place = *place;
                return self.value(place, byte, out);
            }
            FilterState::Member => self.member(byte, out),
            FilterState::Name { escaped } => {
                let ends = byte == b'"' && !*escaped;
                *escaped = byte == b'\\' && !*escaped;
                self.name.push(byte);
                if ends {
                    self.state = FilterState::Colon;
                }
            }
            FilterState::Colon => self.colon(byte, out),
            FilterState::Item => return self.item(byte, out),
            FilterState::Whole(value) => {
                let (progress, ended) = value.step(byte);
                if progress == ByteUse::Used && value.is_kept {
                    out.push(byte);
                }
                if ended {
                    self.state = self.after_value();
                }
                return progress;
            }
            FilterState::Verbatim => out.push(byte),
        }
        ByteUse::Used
    }

    fn value(&mut self, place: FilterPlace, byte: u8, out: &mut Vec<u8>) -> ByteUse {
        let is_outermost = self.frames.is_empty();
        match byte {
            _ if byte.is_ascii_whitespace() => {
                // A line break ends an event of a watch.
                if is_outermost {
                    out.push(byte);
                }
            }
            b'{' if place != FilterPlace::Items => {
                self.enter(place, FilterState::Member, byte, out);
            }
            b'[' if place == FilterPlace::Items => self.enter(place, FilterState::Item, byte, out),
            _ if is_outermost => self.give_up(byte, out),
            _ => {
                self.state = FilterState::Whole(WholeValue::new(true));
                return ByteUse::Left;
            }
        }
        ByteUse::Used
    }

    fn member(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b',' => {}
            _ if byte.is_ascii_whitespace() => {}
            b'"' => {
                self.name.clear();
                self.name.push(byte);
                self.state = FilterState::Name { escaped: false };
            }
            b'}' => self.leave(byte, out),
            _ => self.give_up(byte, out),
        }
    }

    fn colon(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte.is_ascii_whitespace() {
            return;
        }
        if byte != b':' {
            out.extend_from_slice(&self.name);
            return self.give_up(byte, out);
        }
        let treatment = self.treatment();
        if !matches!(treatment, Treatment::Removed) {
            self.separate(out);
            out.extend_from_slice(&self.name);
            out.push(byte);
        }
        self.state = match treatment {
            Treatment::Removed => FilterState::Whole(WholeValue::new(false)),
            Treatment::Kept => FilterState::Whole(WholeValue::new(true)),
            Treatment::Entered(place) => FilterState::Value(place),
        };
    }

    fn item(&mut self, byte: u8, out: &mut Vec<u8>) -> ByteUse {
        match byte {
            b',' => {}
            _ if byte.is_ascii_whitespace() => {}
            b']' => self.leave(byte, out),
            _ => {
                self.separate(out);
                self.state = FilterState::Value(FilterPlace::Object);
                return ByteUse::Left;
            }
        }
        ByteUse::Used
    }

    /// Returns what is done with the current member.
    fn treatment(&self) -> Treatment {
        let place = self.frames.last().map(|frame| frame.place);
        let name: String = serde_json::from_slice(&self.name).unwrap_or_default();
        match (place, name.as_str()) {
            (Some(FilterPlace::Answer), "items") => Treatment::Entered(FilterPlace::Items),
            (Some(FilterPlace::Answer), "object") => Treatment::Entered(FilterPlace::Object),
            (Some(FilterPlace::Answer | FilterPlace::Object), "metadata") => {
                Treatment::Entered(FilterPlace::Metadata)
            }
            (Some(FilterPlace::Metadata), "managedFields") => Treatment::Removed,
            (Some(place), name) => self.kept.treatment(place, name),
            (None, _) => Treatment::Kept,
        }
    }

    /// Writes the comma between two members or items.
    fn separate(&mut self, out: &mut Vec<u8>) {
        if let Some(frame) = self.frames.last_mut() {
            if frame.has_members {
                out.push(b',');
            }
            frame.has_members = true;
        }
    }

    fn enter(&mut self, place: FilterPlace, state: FilterState, byte: u8, out: &mut Vec<u8>) {
        out.push(byte);
        self.state = state;
        self.frames.push(FilterFrame {
            place,
            has_members: false,
        });
    }

    fn leave(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.push(byte);
        self.frames.pop();
        self.state = self.after_value();
    }

    fn after_value(&self) -> FilterState {
        match self.frames.last().map(|frame| frame.place) {
            None => FilterState::Value(FilterPlace::Answer),
            Some(FilterPlace::Items) => FilterState::Item,
            Some(_) => FilterState::Member,
        }
    }

    fn give_up(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.push(byte);
        self.state = FilterState::Verbatim;
    }
}

impl KeptMetadata {
    fn treatment(&self, place: FilterPlace, name: &str) -> Treatment {
        let Self::Used { labels } = self else {
            return Treatment::Kept;
        };
        let is_ours = |name| annotation::ALL.iter().any(|(known, _)| *known == name);
        match (place, name) {
            (FilterPlace::Metadata, "annotations") => Treatment::Entered(FilterPlace::Annotations),
            (FilterPlace::Metadata, "labels") => Treatment::Entered(FilterPlace::Labels),
            (FilterPlace::Metadata, "ownerReferences") => Treatment::Removed,
            (FilterPlace::Annotations, name) if !is_ours(name) => Treatment::Removed,
            (FilterPlace::Labels, name) if !labels.contains(name) => Treatment::Removed,
            _ => Treatment::Kept,
        }
    }
}

impl WholeValue {
    fn new(is_kept: bool) -> Self {
        Self {
            is_kept,
            depth: 0,
            position: ValuePosition::Before,
        }
    }

    /// Returns the length of the text up to the next character with a meaning, or `None` if that is the first one.
    fn run(&self, rest: &[u8]) -> Option<usize> {
        let special = match self.position {
            ValuePosition::Quoted => rest.iter().position(|byte| matches!(byte, b'"' | b'\\')),
            ValuePosition::Bare if self.depth > 0 => rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']')),
            _ => return None,
        };
        Some(special.unwrap_or(rest.len())).filter(|length| *length > 0)
    }

    /// Returns what became of the byte, and whether the value ended.
    fn step(&mut self, byte: u8) -> (ByteUse, bool) {
        self.position = match (self.position, byte) {
            (ValuePosition::Quoted, b'\\') => ValuePosition::Escaped,
            (ValuePosition::Quoted, b'"') => {
                self.position = ValuePosition::Bare;
                return (ByteUse::Used, self.depth == 0);
            }
            (ValuePosition::Quoted | ValuePosition::Escaped, _) => ValuePosition::Quoted,
            (ValuePosition::Before | ValuePosition::Bare, _) => return self.bare(byte),
        };
        (ByteUse::Used, false)
    }

    fn bare(&mut self, byte: u8) -> (ByteUse, bool) {
        match byte {
            // The end of a number or word is the character behind it.
            b'}' | b']' | b',' if self.depth == 0 => return (ByteUse::Left, true),
            b'}' | b']' => {
                self.depth -= 1;
                return (ByteUse::Used, self.depth == 0);
            }
            _ if byte.is_ascii_whitespace() => {
                let ends = self.position == ValuePosition::Bare && self.depth == 0;
                return (ByteUse::Used, ends);
            }
            b'{' | b'[' => self.depth += 1,
            _ => {}
        }
        self.position = if byte == b'"' {
            ValuePosition::Quoted
        } else {
            ValuePosition::Bare
        };
        (ByteUse::Used, false)
    }
}

#[cfg(test)]
mod tests;
