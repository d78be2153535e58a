//! Headers of answers.

use utoipa::openapi::header::Header;
use utoipa::openapi::{Ref, RefOr};

pub(super) fn header<T: utoipa::PartialSchema>(description: &str) -> Header {
    let mut header = Header::new(T::schema());
    header.description = Some(description.to_owned());
    header
}

pub(super) fn header_ref(name: &str) -> RefOr<Header> {
    RefOr::Ref(Ref::new(format!("#/components/headers/{name}")))
}
