"""Signs in to a simulator with MSAL, in every way that it has for a program without a browser.

Gets a JSON object as its only argument. Ends with an error at the first surprise.
"""

import json
import sys
import threading
import time

import msal
import requests

GIVEN = json.loads(sys.argv[1])
CLIENT = GIVEN["client"]
GRAPH = GIVEN["graph"]
AUTHORITY = f"{GIVEN['authority']}/{GIVEN['tenant']}"
SETS = f"{GRAPH}/beta/external/industryData/outboundProvisioningFlowSets"
ROLES = [f"{GRAPH}/.default"]
WRITE = [f"{GRAPH}/IndustryData-OutboundFlow.ReadWrite.All"]

# Without `instance_discovery=False` MSAL asks the public cloud whether it knows the authority.
COMMON = {"authority": AUTHORITY, "verify": GIVEN["ca"], "instance_discovery": False}

http = requests.Session()
http.verify = GIVEN["ca"]


def confidential(credential):
    return msal.ConfidentialClientApplication(CLIENT, client_credential=credential, **COMMON)


def public():
    return msal.PublicClientApplication(CLIENT, **COMMON)


def check(condition, about):
    if not condition:
        raise SystemExit(f"unexpected: {about}")


def has_tokens(result):
    check("access_token" in result, result)
    return result


def fails(result, error, number):
    check(result.get("error") == error, result)
    check(result.get("error_codes") == ([number] if number else []), result)


def reads(result):
    header = {"Authorization": f"Bearer {has_tokens(result)['access_token']}"}
    check(http.get(SETS, headers=header).status_code == 200, "no access to Graph")
    return header


def writes(result, name):
    header = reads(result)
    response = http.post(SETS, headers=header, json={"displayName": name})
    return response.status_code


def client_secret():
    application = confidential(GIVEN["secret"])
    result = application.acquire_token_for_client(ROLES)
    check(writes(result, "by a secret") == 403, "an application may write")
    check(application.acquire_token_for_client(ROLES)["token_source"] == "cache", "not cached")
    fails(confidential("wrong").acquire_token_for_client(ROLES), "invalid_client", 7000215)


def certificate():
    key = {"private_key": GIVEN["key"]}
    modern = confidential({**key, "public_certificate": GIVEN["certificate"]})
    reads(modern.acquire_token_for_client(ROLES))
    reads(confidential({**key, "thumbprint": GIVEN["thumbprint"]}).acquire_token_for_client(ROLES))
    # MSAL sends an assertion again for some minutes, which the default of the simulator does not allow.
    modern.remove_tokens_for_client()
    fails(modern.acquire_token_for_client(ROLES), "invalid_grant", 50013)


def sign_in(application, decision):
    flow = application.initiate_device_flow(WRITE)
    check("user_code" in flow, flow)
    # Late enough for a poll before it, and for one after it.
    form = {"user_code": flow["user_code"], "decision": decision}
    person = threading.Timer(1.5, lambda: http.post(flow["verification_uri"], data=form))
    person.start()
    started = time.monotonic()
    result = application.acquire_token_by_device_flow(flow)
    check(time.monotonic() - started > 1, "no waiting for the person")
    person.join()
    return result


def device_code():
    application = public()
    result = sign_in(application, "approve")
    check(writes(result, "by a device code") == 201, "a user may not write")
    check(result["id_token_claims"]["tid"] == GIVEN["tenant"], result)
    accounts = application.get_accounts()
    check([one["username"] for one in accounts] == ["administrator@simulator.example"], accounts)
    fails(sign_in(public(), "deny"), "authorization_declined", None)
    return application, accounts[0], result["refresh_token"]


def refresh_token(application, account, first):
    cached = application.acquire_token_silent(WRITE, account)
    check(cached["token_source"] == "cache", cached)
    silent = application.acquire_token_silent(WRITE, account, force_refresh=True)
    check(silent["token_source"] == "identity_provider", silent)
    check(writes(silent, "by a refresh token") == 201, "a user may not write")
    explicit = public().acquire_token_by_refresh_token(first, WRITE)
    check(writes(explicit, "by an explicit refresh token") == 201, "a user may not write")
    check(explicit["refresh_token"] != first, "the refresh token is not rotated")
    as_confidential = confidential(GIVEN["secret"])
    reads(as_confidential.acquire_token_by_refresh_token(first, WRITE))
    fails(public().acquire_token_by_refresh_token("made up", WRITE), "invalid_grant", 70000)


def instance_discovery():
    address = f"{GIVEN['authority']}/common/discovery/instance"
    application = msal.PublicClientApplication(
        CLIENT, **{**COMMON, "instance_discovery": address}
    )
    check(application.initiate_device_flow(WRITE).get("user_code"), "no endpoints")


client_secret()
certificate()
refresh_token(*device_code())
instance_discovery()
print(f"MSAL {msal.__version__} signs in")
