//! Fuzzes the headers in which proxies name the client. The first byte chooses the header.

#![no_main]

use api::ProxyHeader;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((choice, sent)) = data.split_first() else { return };
    let header = if choice % 2 == 0 { ProxyHeader::XForwardedFor } else { ProxyHeader::Forwarded };
    api::fuzzing::forwarded(header, sent);
});
