{{- /* Permissions of the operator in each namespace that it watches: those that its code needs, and no more. */}}
{{- define "industrydata-operator.rules" -}}
# The three kinds: list and watch feed the controllers; patch adds and removes the finalizer and the intent to create,
# with the resourceVersion as precondition. The spec is never written. A resource that may have changed in the meantime
# is read from the cluster itself (get): a flow whose reset may be in progress, and a resource that another client has
# just written to.
- apiGroups: [industrydata.dev]
  resources: [graphconnections, outboundprovisioningflowsets, provisioningflows]
  verbs: [get, list, watch, patch]
# The status is written by server-side apply.
- apiGroups: [industrydata.dev]
  resources: [graphconnections/status, outboundprovisioningflowsets/status, provisioningflows/status]
  verbs: [patch]
# Secrets are read one by one, by the names in specs (get), and neither listed nor watched. To allow less, set
# watchNamespaces, and rbac.secretNames.
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.rbac.secretNames }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: [get]
{{- with .Values.rbac.refreshTokenSecretNames }}
# Refresh tokens are replaced in their Secrets when the authority issues new ones.
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson . }}
  verbs: [patch]
{{- end }}
{{- with .Values.rbac.serviceAccountNames }}
# Workload identity: the annotation of a service account is checked, and then a token of it is requested.
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: {{ toJson . }}
  verbs: [get]
- apiGroups: [""]
  resources: [serviceaccounts/token]
  resourceNames: {{ toJson . }}
  verbs: [create]
{{- end }}
# Each event is created once.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
