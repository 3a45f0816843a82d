//! Which addresses may be called.

/// skeleton
#[derive(Debug, Clone, Copy)]
pub struct AddressRules;
