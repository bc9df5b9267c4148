//! Manifests that are right, changes of them that are accepted, and changes that are refused.

/// A change, and what people are told about it.
pub type Refusal = (&'static str, &'static str);

pub const CONNECTION: &str = "
    tenantId: 11111111-2222-4333-8444-555555555555
    clientId: 66666666-7777-4888-8999-000000000000
    credential: { clientSecret: { secretKeyRef: { name: contoso, key: clientSecret } } }";

pub const SET: &str = "
    connectionRef: { name: contoso }
    displayName: District north";

pub const FLOW: &str = "
    flowSetRef: { name: north }
    user: { managementOptions: { additionalOptions: {} } }";

pub const FLOW_BY_ID: &str = "
    flowSetId: 11111111-2222-4333-8444-08dd00000001
    connectionRef: { name: contoso }
    user: { managementOptions: { additionalOptions: {} } }";

pub const TENANT: &str = "tenantId must be a GUID or a domain name, for instance contoso.edu";
pub const OBJECT_NAME: &str =
    "name must be the name of an object in the cluster: lower-case letters, digits, '-' and '.'";
pub const NAME_TRIMMED: &str = "displayName must not begin or end with white space";
pub const NAME_PRINTABLE: &str =
    "displayName must not contain control characters, such as line breaks and tabs";

pub const CONNECTION_ACCEPTED: &[&str] = &[
    "{}",
    "tenantId: contoso.edu",
    "tenantId: contoso.onmicrosoft.com",
    "tenantId: AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE",
    "cloud: Global",
    "pollInterval: 1s",
    "pollInterval: 1h30m",
    "pollInterval: 1.5h",
    "pollInterval: 86400s",
    "pollInterval: 24h",
    "requestBudget: {}",
    "requestBudget: { perSecond: 1, burst: 1 }",
    "requestBudget: { perSecond: 1000, burst: 1000 }",
    "credential: { clientSecret: { secretKeyRef: { name: contoso, key: client-secret.v1_2 } } }",
    "suspend: true",
];

pub const CONNECTION_REFUSED: &[Refusal] = &[
    ("tenantId: null", "spec.tenantId: Required value"),
    ("tenantId: contoso", TENANT),
    ("tenantId: https://contoso.edu", TENANT),
    ("tenantId: 'contoso.edu '", TENANT),
    ("clientId: null", "spec.clientId: Required value"),
    (
        "clientId: sds",
        "clientId must be a GUID, for instance 66666666-7777-4888-8999-000000000000",
    ),
    (
        "clientId: '66666666-7777-4888-8999-000000000000 '",
        "clientId must be a GUID",
    ),
    (
        "cloud: China",
        r#"spec.cloud: Unsupported value: "China": supported values: "Global""#,
    ),
    ("credential: null", "spec.credential: Required value"),
    (
        "credential: { clientSecret: null }",
        "credential needs exactly one member: clientSecret",
    ),
    (
        "credential: { clientCertificate: { secretRef: { name: contoso-tls } } }",
        "credential needs exactly one member: clientSecret, clientCertificate, workloadIdentity or refreshToken",
    ),
    (
        "credential: { clientSecret: null, clientCertificate: { secretRef: { name: ../contoso } } }",
        "name must be the name of an object in the cluster",
    ),
    (
        "credential: { clientSecret: null, workloadIdentity: { serviceAccountName: '' } }",
        "spec.credential.workloadIdentity.serviceAccountName: Invalid value",
    ),
    (
        "credential: { clientSecret: null, workloadIdentity: { serviceAccountName: ../../kube-system/serviceaccounts/admin } }",
        "serviceAccountName must be the name of a ServiceAccount",
    ),
    (
        "credential: { clientSecret: null, refreshToken: { secretKeyRef: { name: contoso, key: a/b } } }",
        "key must be a key of a Secret",
    ),
    (
        "credential: { clientSecret: { expiresAt: soon } }",
        "expiresAt must be a date and time with a time zone, for instance 2027-06-30T00:00:00Z",
    ),
    (
        "credential: { clientSecret: { secretKeyRef: { name: null } } }",
        "spec.credential.clientSecret.secretKeyRef.name: Required value",
    ),
    (
        "credential: { clientSecret: { secretKeyRef: { name: '' } } }",
        "spec.credential.clientSecret.secretKeyRef.name in body should be at least 1 chars long",
    ),
    (
        "credential: { clientSecret: { secretKeyRef: { key: client/secret } } }",
        "key must be a key of a Secret: letters, digits, '-', '_' and '.'",
    ),
    (
        "credential: { clientSecret: { secretKeyRef: { name: Contoso } } }",
        OBJECT_NAME,
    ),
    (
        "credential: { clientSecret: { secretKeyRef: { name: 'contoso ' } } }",
        OBJECT_NAME,
    ),
    (
        "pollInterval: soon",
        "pollInterval must be between 1s and 24h, for instance 60s, 5m or 1h30m",
    ),
    (
        "pollInterval: 1d",
        "pollInterval must be between 1s and 24h, for instance 60s, 5m or 1h30m",
    ),
    (
        "pollInterval: -1s",
        "pollInterval must be between 1s and 24h, for instance 60s, 5m or 1h30m",
    ),
    (
        "pollInterval: 99999999h",
        "pollInterval must be between 1s and 24h, for instance 60s, 5m or 1h30m",
    ),
    (
        "pollInterval: 9999999h",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 99999h99999h99999h99999h99999h",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 9999999m9999999m9999999m9999999m",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s",
        "spec.pollInterval: Too long: may not be more than 32",
    ),
    (
        "pollInterval: 0s",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 999ms",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 48h",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "requestBudget: { perSecond: 0 }",
        "spec.requestBudget.perSecond in body should be greater than or equal to 1",
    ),
    (
        "requestBudget: { perSecond: 1001 }",
        "spec.requestBudget.perSecond in body should be less than or equal to 1000",
    ),
    (
        "requestBudget: { burst: 0 }",
        "spec.requestBudget.burst in body should be greater than or equal to 1",
    ),
    (
        "requestBudget: { burst: 1001 }",
        "spec.requestBudget.burst in body should be less than or equal to 1000",
    ),
];

pub const SET_ACCEPTED: &[&str] = &[
    "{}",
    "displayName: X",
    "displayName: 'Distrito «Norte»: 北区, O’Connor & Söhne 🏫'",
    "filter: { attribute: orgExternalId, in: [school-17] }",
    "filter: { attribute: orgExternalId, in: [school-17, School-17, 'school 17'] }",
    "managementPolicy: Observe",
    "deletionPolicy: Retain",
    "adoptionPolicy: IfExists",
    "driftPolicy: Report",
    "suspend: true",
];

pub const SET_REFUSED: &[Refusal] = &[
    ("connectionRef: null", "spec.connectionRef: Required value"),
    (
        "connectionRef: { name: '' }",
        "spec.connectionRef.name in body should be at least 1 chars long",
    ),
    ("displayName: null", "spec.displayName: Required value"),
    (
        "displayName: ''",
        "spec.displayName in body should be at least 1 chars long",
    ),
    (r#"displayName: "District north\n""#, NAME_TRIMMED),
    (r#"displayName: "District north\n""#, NAME_PRINTABLE),
    ("displayName: 'District north '", NAME_TRIMMED),
    ("displayName: ' District north'", NAME_TRIMMED),
    (r#"displayName: "\tDistrict north""#, NAME_TRIMMED),
    (r#"displayName: "District north\u00A0""#, NAME_TRIMMED),
    (r#"displayName: "\uFEFFDistrict north""#, NAME_TRIMMED),
    ("displayName: ' '", NAME_TRIMMED),
    (r#"displayName: "District\tnorth""#, NAME_PRINTABLE),
    (r#"displayName: "District\nnorth""#, NAME_PRINTABLE),
    (r#"displayName: "District\u0000north""#, NAME_PRINTABLE),
    (r#"displayName: "District\u0085north""#, NAME_PRINTABLE),
    (r#"displayName: "District\u2028north""#, NAME_PRINTABLE),
    (
        "filter: { attribute: orgExternalId }",
        "spec.filter.in: Required value",
    ),
    (
        "filter: { attribute: orgExternalId, in: [school-17, 'school-42 '] }",
        "a value in filter.in must not begin or end with white space",
    ),
    (
        r#"filter: { attribute: orgExternalId, in: ["school\t17"] }"#,
        "a value in filter.in must not contain control characters, such as line breaks and tabs",
    ),
    (
        "filter: { in: [school-17] }",
        "spec.filter.attribute: Required value",
    ),
    (
        "filter: { attribute: orgExternalId, in: [] }",
        "spec.filter.in in body should have at least 1 items",
    ),
    (
        "filter: { attribute: orgExternalId, in: [''] }",
        "spec.filter.in[0] in body should be at least 1 chars long",
    ),
    (
        "filter: { attribute: orgExternalId, in: [school-17, school-42, school-17] }",
        r#"spec.filter.in[2]: Duplicate value: "school-17""#,
    ),
    (
        "filter: { attribute: orgName, in: [School] }",
        r#"spec.filter.attribute: Unsupported value: "orgName": supported values: "orgExternalId""#,
    ),
    (
        "managementPolicy: Foo",
        r#"spec.managementPolicy: Unsupported value: "Foo": supported values: "Manage", "Observe""#,
    ),
    (
        "deletionPolicy: Foo",
        r#"spec.deletionPolicy: Unsupported value: "Foo": supported values: "Delete", "Retain""#,
    ),
    (
        "adoptionPolicy: Foo",
        r#"spec.adoptionPolicy: Unsupported value: "Foo": supported values: "Never", "IfExists""#,
    ),
    (
        "driftPolicy: Foo",
        r#"spec.driftPolicy: Unsupported value: "Foo": supported values: "Correct", "Report""#,
    ),
];

pub const FLOW_ACCEPTED: &[&str] = &[
    "{}",
    "{ managementPolicy: Observe, user: { managementOptions: null } }",
    "{ managementPolicy: Observe, user: null, administrativeUnit: {} }",
    "{ managementPolicy: Observe, user: null, classGroup: {} }",
    "{ managementPolicy: Observe, user: null, securityGroup: {} }",
    "{ user: null, administrativeUnit: { creationOptions: { createBasedOnOrg: true, createBasedOnOrgPlusRoleGroup: false } } }",
    "{ user: null, securityGroup: { creationOptions: { createBasedOnRoleGroup: true, createBasedOnOrgPlusRoleGroup: false } } }",
    "
    user: null
    classGroup:
      configuration:
        additionalAttributes: [courseTitle, courseCode, courseSubject, courseGradeLevel, courseExternalId,
          academicSessionTitle, academicSessionExternalId, classCode]
        additionalOptions: { createTeam: true, writeDisplayNameOnCreateOnly: false }
        enrollmentMappings:
          ownerEnrollmentMappings: [{ code: teacher }]
          memberEnrollmentMappings: [{ code: student }, { code: aide }]",
    "
    user:
      createUnmatchedUsers: true
      managementOptions:
        additionalAttributes: [userGradeLevel, userNumber]
        additionalOptions: { studentAgeGroup: notAdult, allowStudentContactAssociation: false }
      creationOptions:
        configurations:
          - roleGroup: staff
          - roleGroup: students
            defaultPassword: { secretKeyRef: { name: passwords, key: students } }
            licenseSkus: [00000000-0000-4000-8000-000000000002]",
    "
    user:
      managementOptions: { additionalOptions: {} }
      creationOptions:
        configurations:
          - roleGroup: students
            licenseSkus: [00000000-0000-4000-8000-00000000000A, 00000000-0000-4000-8000-00000000000b]
          - roleGroup: studentsAbroad",
    "resetToken: '2026-11-23'",
    "resetToken: after the summer",
    "pollInterval: 5m",
    "progressDeadline: 1s",
    "progressDeadline: 720h",
    "managementPolicy: Observe",
    "deletionPolicy: Retain",
    "adoptionPolicy: IfExists",
    "driftPolicy: Report",
    "suspend: true",
];

pub const ONE_TYPE: &str =
    "give exactly one of administrativeUnit, classGroup, securityGroup and user";
pub const ONE_SET: &str = "give exactly one of flowSetRef and flowSetId";
pub const WITH_CONNECTION: &str =
    "connectionRef belongs to flowSetId: give both, or flowSetRef alone";

pub const FLOW_REFUSED: &[Refusal] = &[
    ("user: null", ONE_TYPE),
    (
        "securityGroup: { creationOptions: { createBasedOnRoleGroup: true, createBasedOnOrgPlusRoleGroup: false } }",
        ONE_TYPE,
    ),
    ("flowSetRef: null", ONE_SET),
    (
        "{ flowSetId: 11111111-2222-4333-8444-08dd00000001, connectionRef: { name: contoso } }",
        ONE_SET,
    ),
    ("connectionRef: { name: contoso }", WITH_CONNECTION),
    (
        "{ flowSetRef: null, flowSetId: 11111111-2222-4333-8444-08dd00000001 }",
        WITH_CONNECTION,
    ),
    (
        "{ flowSetRef: null, flowSetId: north, connectionRef: { name: contoso } }",
        "flowSetId must be a GUID, for instance 66666666-7777-4888-8999-000000000000",
    ),
    (
        "flowSetRef: { name: '' }",
        "spec.flowSetRef.name in body should be at least 1 chars long",
    ),
    (
        "resetToken: ''",
        "spec.resetToken in body should be at least 1 chars long",
    ),
    (
        r#"resetToken: "2026-11-23\n""#,
        "resetToken must not begin or end with white space",
    ),
    (
        r#"resetToken: "2026\t11""#,
        "resetToken must not contain control characters, such as line breaks and tabs",
    ),
    ("flowSetRef: { name: North }", OBJECT_NAME),
    (
        "pollInterval: soon",
        "pollInterval must be between 1s and 24h, for instance 60s, 5m or 1h30m",
    ),
    (
        "pollInterval: 9999999h",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 0s",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "pollInterval: 48h",
        "pollInterval must be between 1s and 24h",
    ),
    (
        "progressDeadline: soon",
        "progressDeadline must be between 1s and 720h, for instance 60s, 5m or 1h30m",
    ),
    (
        "progressDeadline: 9999999h",
        "progressDeadline must be between 1s and 720h",
    ),
    (
        "progressDeadline: 0s",
        "progressDeadline must be between 1s and 720h",
    ),
    (
        "progressDeadline: 721h",
        "progressDeadline must be between 1s and 720h",
    ),
    (
        "managementPolicy: Foo",
        r#"spec.managementPolicy: Unsupported value: "Foo": supported values: "Manage", "Observe""#,
    ),
    (
        "deletionPolicy: Foo",
        r#"spec.deletionPolicy: Unsupported value: "Foo": supported values: "Delete", "Retain""#,
    ),
    (
        "adoptionPolicy: Foo",
        r#"spec.adoptionPolicy: Unsupported value: "Foo": supported values: "Never", "IfExists""#,
    ),
    (
        "driftPolicy: Foo",
        r#"spec.driftPolicy: Unsupported value: "Foo": supported values: "Correct", "Report""#,
    ),
    (
        "user: { managementOptions: null }",
        "user.managementOptions is required, unless managementPolicy is Observe",
    ),
    (
        "user: { managementOptions: { additionalOptions: null } }",
        "spec.user.managementOptions.additionalOptions: Required value",
    ),
    (
        "user: { managementOptions: { additionalOptions: { studentAgeGroup: teenager } } }",
        r#"Unsupported value: "teenager": supported values: "minor", "notAdult", "adult""#,
    ),
    (
        "user: { managementOptions: { additionalAttributes: [shoeSize] } }",
        r#"spec.user.managementOptions.additionalAttributes[0]: Unsupported value: "shoeSize""#,
    ),
    (
        "user: { managementOptions: { additionalAttributes: [userNumber, userNumber] } }",
        r#"spec.user.managementOptions.additionalAttributes[1]: Duplicate value: "userNumber""#,
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students }, { roleGroup: students }] } }",
        r#"spec.user.creationOptions.configurations[1]: Duplicate value: {"roleGroup":"students"}"#,
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students }, { roleGroup: Students }] } }",
        "configurations must not list the same value twice; letter case has no meaning",
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: 'students ' }] } }",
        "roleGroup must not begin or end with white space",
    ),
    (
        r#"user: { creationOptions: { configurations: [{ roleGroup: "stu\tdents" }] } }"#,
        "roleGroup must not contain control characters, such as line breaks and tabs",
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students, licenseSkus: [00000000-0000-4000-8000-00000000000A, 00000000-0000-4000-8000-00000000000a] }] } }",
        "licenseSkus must not list the same value twice; letter case has no meaning",
    ),
    (
        "user: { creationOptions: { configurations: [{ licenseSkus: [] }] } }",
        "spec.user.creationOptions.configurations[0].roleGroup: Required value",
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students, licenseSkus: [A3] }] } }",
        "a SKU id in licenseSkus must be a GUID, for instance 66666666-7777-4888-8999-000000000000",
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students, defaultPassword: {} }] } }",
        "spec.user.creationOptions.configurations[0].defaultPassword.secretKeyRef: Required value",
    ),
    (
        "user: { creationOptions: { configurations: [{ roleGroup: students, defaultPassword: { secretKeyRef: { name: passwords, key: a b } } }] } }",
        "key must be a key of a Secret: letters, digits, '-', '_' and '.'",
    ),
    (
        "{ user: null, classGroup: {} }",
        "classGroup.configuration is required, unless managementPolicy is Observe",
    ),
    (
        "{ user: null, securityGroup: {} }",
        "securityGroup.creationOptions is required, unless managementPolicy is Observe",
    ),
    (
        "{ managementPolicy: Observe, user: null, classGroup: { configuration: {} } }",
        "spec.classGroup.configuration.enrollmentMappings: Required value",
    ),
    (
        "{ user: null, classGroup: { configuration: {} } }",
        "spec.classGroup.configuration.enrollmentMappings: Required value",
    ),
    (
        "{ user: null, classGroup: { configuration: { additionalAttributes: [colour] } } }",
        r#"spec.classGroup.configuration.additionalAttributes[0]: Unsupported value: "colour""#,
    ),
    (
        "{ user: null, classGroup: { configuration: { enrollmentMappings: { ownerEnrollmentMappings: [{ code: teacher }, { code: teacher }] } } } }",
        r#"ownerEnrollmentMappings[1]: Duplicate value: {"code":"teacher"}"#,
    ),
    (
        "{ user: null, classGroup: { configuration: { additionalOptions: { createTeam: true, writeDisplayNameOnCreateOnly: true }, enrollmentMappings: { ownerEnrollmentMappings: [{ code: teacher }, { code: Teacher }] } } } }",
        "ownerEnrollmentMappings must not list the same value twice; letter case has no meaning",
    ),
    (
        "{ user: null, classGroup: { configuration: { additionalOptions: { createTeam: true, writeDisplayNameOnCreateOnly: true }, enrollmentMappings: { memberEnrollmentMappings: [{ code: AIDE }, { code: aide }] } } } }",
        "memberEnrollmentMappings must not list the same value twice; letter case has no meaning",
    ),
    (
        "{ user: null, classGroup: { configuration: { additionalOptions: { createTeam: true, writeDisplayNameOnCreateOnly: true }, enrollmentMappings: { memberEnrollmentMappings: [{ code: ' aide' }] } } } }",
        "code must not begin or end with white space",
    ),
    (
        r#"{ user: null, classGroup: { configuration: { additionalOptions: { createTeam: true, writeDisplayNameOnCreateOnly: true }, enrollmentMappings: { memberEnrollmentMappings: [{ code: "ai\tde" }] } } } }"#,
        "code must not contain control characters, such as line breaks and tabs",
    ),
    (
        "{ user: null, administrativeUnit: {} }",
        "administrativeUnit.creationOptions is required, unless managementPolicy is Observe",
    ),
    (
        "{ user: null, securityGroup: { creationOptions: { createBasedOnRoleGroup: true } } }",
        "spec.securityGroup.creationOptions.createBasedOnOrgPlusRoleGroup: Required value",
    ),
];
