use clap::Parser;
use secrecy::ExposeSecret;

use super::*;
use crate::arguments::{Command, Program};

fn request(flags: &[&str]) -> Result<Request, UsageError> {
    let words = ["kubectl-industrydata", "login"].iter().chain(flags);
    let Command::Login(arguments) = Program::try_parse_from(words).unwrap().command;
    Request::from_arguments(*arguments)
}

#[test]
fn the_defaults_are_those_of_the_service() {
    let request = request(&["--tenant=contoso.edu"]).unwrap();
    assert_eq!(
        request.authority.as_str(),
        "https://login.microsoftonline.com/"
    );
    assert_eq!(
        request.scope(),
        "openid offline_access https://graph.microsoft.com/IndustryData-OutboundFlow.ReadWrite.All"
    );
    assert_eq!(request.output, Output::Apply);
    assert!(request.operator.is_none() && request.client_secret.is_none());
}

#[test]
fn other_scopes_replace_that_of_the_permission() {
    let flags = ["--read-only", "--graph-resource=https://graph.example"];
    let scope = request(&flags).unwrap().scope();
    assert_eq!(
        scope,
        "openid offline_access https://graph.example/IndustryData-OutboundFlow.Read.All"
    );
    let flags = [
        "--scope",
        "a b",
        "--scope",
        "https://graph.example/.default",
    ];
    let scope = request(&flags).unwrap().scope();
    assert_eq!(
        scope,
        "openid offline_access a b https://graph.example/.default"
    );
}

#[test]
fn a_permission_is_found_with_and_without_the_resource() {
    let resource = "https://graph.example";
    let (read, write) = (Permission::Read, Permission::ReadWrite);
    for scope in [
        write.name(),
        "https://graph.example/industrydata-outboundflow.readwrite.all",
    ] {
        assert!(write.is_in(scope, resource) && read.is_in(scope, resource));
    }
    assert!(read.is_in(read.name(), resource) && !write.is_in(read.name(), resource));
    for scope in [
        "https://graph.example.evil/IndustryData-OutboundFlow.ReadWrite.All",
        "XIndustryData-OutboundFlow.ReadWrite.All",
        "/IndustryData-OutboundFlow.ReadWrite.All",
    ] {
        assert!(!write.is_in(scope, resource), "{scope}");
    }
}

#[test]
fn wrong_values_are_refused_with_the_flag_and_what_is_expected() {
    for (flag, value, expected) in [
        ("--tenant", "common", "the id (a GUID) or a domain"),
        ("--tenant", "a/b", "the id (a GUID) or a domain"),
        ("--client-id", "contoso", "a GUID"),
        ("--client-id", "66666666777748888999000000000000", "a GUID"),
        ("--secret", "Contoso", "the name of an object"),
        ("--connection", "../a", "the name of an object"),
        ("--key", "a/b", "letters, digits"),
        ("--key", "..", "letters, digits"),
        ("--namespace", "a.b", "the name of a namespace"),
        ("--scope", "a\u{7}", "a scope"),
        (
            "--authority-endpoint",
            "http://login.example",
            "must be https",
        ),
        (
            "--authority-endpoint",
            "https://login.example/t",
            "must have no path",
        ),
        ("--graph-resource", "https://u:p@graph.example", "user name"),
        ("--ca-file", "/nowhere", "No such file"),
        ("--client-secret-file", "/nowhere", "No such file"),
    ] {
        let error = request(&[&format!("{flag}={value}")]).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!("{error}: {}", cause.unwrap_or_default());
        assert!(text.contains(flag) && text.contains(expected), "{text}");
        assert!(!text.contains("u:p") && !text.contains('\u{7}'), "{text}");
    }
}

#[test]
fn a_client_secret_is_one_line() {
    let secret = client_secret("a secret\r\n".to_owned(), "").unwrap();
    assert_eq!(secret.expose_secret(), "a secret");
    for text in ["", "\n", "a\nb", "a\u{0}", &"a".repeat(1025)] {
        assert!(client_secret(text.to_owned(), "").is_err(), "{text:?}");
    }
    let endless = read_bounded(io::repeat(b'a')).unwrap();
    assert!(client_secret(endless, "").is_err());
}
