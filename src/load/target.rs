//! The service that is driven: its base address, and how to connect to it.

use super::LoadError;
use rustls_platform_verifier::ConfigVerifierExt;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, crypto::aws_lc_rs};
use url::Url;

/// A service's address.
#[derive(Clone)]
pub struct Target {
    /// The base of all calls, ending in `/v1`.
    pub base: Url,
    /// Host and port to connect to.
    pub(super) authority: (String, u16),
    /// How TLS is spoken, if it is.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Target {
    /// The service at a base address, with or without the `/v1` at its end.
    pub fn new(base: &str) -> Result<Self, LoadError> {
        let bad = |why: &str| LoadError(format!("`{base}` is not the address of a service: {why}"));
        let mut url = Url::parse(base).map_err(|error| bad(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("it must begin with http:// or https://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it must not have a query"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(if path.ends_with("/v1") { &path } else { "" });
        if !path.ends_with("/v1") {
            url.set_path(&format!("{path}/v1"));
        }
        let host = url.host_str().ok_or_else(|| bad("it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_or_known_default().ok_or_else(|| bad("it names no port"))?;
        let tls = if url.scheme() == "https" { Some(tls(&host)?) } else { None };
        Ok(Self { base: url, authority: (host, port), tls })
    }

    /// The path of a call below the base, as a request line has it.
    pub(super) fn path(&self, below: &str) -> String {
        format!("{}{below}", self.base.path())
    }

    /// The value of the `Host` header.
    pub(super) fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether it is on this machine, where nobody's real money is spent.
    pub fn is_local(&self) -> bool {
        match self.base.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

fn tls(host: &str) -> Result<(Arc<ClientConfig>, ServerName<'static>), LoadError> {
    let failed = |why: String| LoadError(format!("TLS to {host} cannot be set up: {why}"));
    // Of two providers in a process none is the default by itself; one that is set already is
    // this one.
    let _ = aws_lc_rs::default_provider().install_default();
    let config =
        ClientConfig::with_platform_verifier().map_err(|error| failed(error.to_string()))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    Ok((Arc::new(config), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_may_be_left_out_of_a_base() {
        for base in ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"] {
            let target = Target::new(base).unwrap();
            assert_eq!((target.path("/plans"), target.host()), ("/v1/plans".into(), "h:1".into()));
        }
        let target = Target::new("https://api.example.com/bappy").unwrap();
        assert_eq!(target.path("/plans"), "/bappy/v1/plans");
        assert_eq!(target.authority, ("api.example.com".to_owned(), 443));
        assert!(!target.is_local() && Target::new("http://[::1]:8080").unwrap().is_local());
    }

    #[test]
    fn what_is_no_address_is_said() {
        for base in ["", "localhost:8080", "ftp://h/", "http://", "http://h/?q=1"] {
            let Err(LoadError(sentence)) = Target::new(base) else { panic!("{base}") };
            assert!(sentence.contains("is not the address of a service"), "{sentence}");
        }
    }
}
