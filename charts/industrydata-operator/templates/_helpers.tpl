{{- define "industrydata-operator.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "industrydata-operator.fullname" -}}
{{- $name := include "industrydata-operator.name" . }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "industrydata-operator.serviceAccountName" -}}
{{- $own := .Values.serviceAccount.create | ternary (include "industrydata-operator.fullname" .) "default" }}
{{- .Values.serviceAccount.name | default $own }}
{{- end }}

{{- define "industrydata-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "industrydata-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "industrydata-operator.labels" -}}
{{ include "industrydata-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "industrydata-operator.image" -}}
{{- .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- /* Seconds of a time such as `1m30s`. */}}
{{- define "industrydata-operator.seconds" -}}
{{- $total := 0 }}
{{- range regexFindAll "[0-9]+[hms]" . -1 }}
{{- $unit := get (dict "h" 3600 "m" 60 "s" 1) (regexFind "[hms]" .) }}
{{- $total = add $total (mul $unit (regexFind "[0-9]+" . | int)) }}
{{- end }}
{{- $total }}
{{- end }}

{{- /* Port of a URL, also if it is the default one of the scheme. */}}
{{- define "industrydata-operator.port" -}}
{{- $port := regexFind "^https?://[^/]*" . | regexFind ":[0-9]+$" | trimPrefix ":" }}
{{- $port | default (hasPrefix "https:" . | ternary "443" "80") }}
{{- end }}

{{- /* Ports of peers that have URLs, as JSON: of the values, or of the URLs. Empty for a peer without a URL. */}}
{{- define "industrydata-operator.derivedPorts" -}}
{{- $derived := dict }}
{{- $egress := .Values.networkPolicy.egress }}
{{- range $peers, $urls := dict "proxy" (list .Values.proxy.https .Values.proxy.http) "collector" (list .Values.traces.endpoint) }}
{{- $ports := list }}
{{- range compact $urls }}
{{- $ports = append $ports (include "industrydata-operator.port" . | int) }}
{{- end }}
{{- $own := (get $egress $peers).ports }}
{{- $_ := set $derived $peers (and $ports $own | not | ternary (uniq $ports) $own) }}
{{- end }}
{{- toJson $derived }}
{{- end }}

{{- /* What would only show when the operator has been installed, or never. */}}
{{- define "industrydata-operator.check" -}}
{{- $values := .Values }}
{{- if and (gt (int $values.replicaCount) 1) (not $values.leaderElection.enabled) }}
{{- fail "replicaCount is more than 1 and leaderElection.enabled is false: all replicas would write. Set leaderElection.enabled to true, or replicaCount to 1" }}
{{- end }}
{{- if and (gt (int $values.shards) 1) (not $values.leaderElection.enabled) }}
{{- fail "shards is more than 1 and leaderElection.enabled is false: each shard needs a lease. Set leaderElection.enabled to true, or shards to 1" }}
{{- end }}
{{- if and $values.replicaCount (gt (int $values.shards) (int $values.replicaCount)) }}
{{- fail (printf "shards is %d and replicaCount is %d: nothing would work for some of the tenants. Set replicaCount to at least %d; one more replica takes over from any that ends" (int $values.shards) (int $values.replicaCount) (int $values.shards)) }}
{{- end }}
{{- if and $values.ca.configMapName $values.ca.secretName }}
{{- fail "ca.configMapName and ca.secretName are both set: certificates are read from one place. Set one of them" }}
{{- end }}
{{- range $name, $url := dict "endpoint" $values.graph.endpoint "authorityEndpoint" $values.graph.authorityEndpoint }}
{{- if not (regexMatch "^(https://[^/?#@]+|http://(localhost|127[.][0-9.]+|\\[::1\\])(:[0-9]+)?)/?$" $url) }}
{{- fail (printf "graph.%s is %s: tokens and secrets are sent there, so it has to be https, without a path, such as https://graph.microsoft.com" $name $url) }}
{{- end }}
{{- end }}
{{- $lease := $values.leaderElection.enabled | ternary $values.leaderElection.leaseDuration "0s" }}
{{- $sum := add (include "industrydata-operator.seconds" $lease) (mul 2 (include "industrydata-operator.seconds" $values.graph.requestTimeout)) }}
{{- if le (include "industrydata-operator.seconds" $values.graph.visibilityWindow | int) (int $sum) }}
{{- fail (printf "graph.visibilityWindow is %s: it has to be more than leaderElection.leaseDuration and twice graph.requestTimeout, together %ds" $values.graph.visibilityWindow $sum) }}
{{- end }}
{{- include "industrydata-operator.checkNetworkPolicy" . }}
{{- end }}

{{- /* Rules are a union: one for all addresses would undo the exceptions of another for the same port. */}}
{{- define "industrydata-operator.checkNetworkPolicy" -}}
{{- $policy := .Values.networkPolicy }}
{{- $graph := list }}
{{- range $policy.egress.graph.ports }}
{{- $graph = append $graph (int .) }}
{{- end }}
{{- $ports := include "industrydata-operator.derivedPorts" . | fromJson | merge (dict "apiServer" $policy.egress.apiServer.ports) }}
{{- range $name, $ports := $policy.enabled | ternary $ports dict }}
{{- range $port := $ports }}
{{- range (get $policy.egress $name).to }}
{{- if and (has (int $port) $graph) (has (dig "ipBlock" "cidr" "" .) (list "0.0.0.0/0" "::/0")) }}
{{- fail (printf "networkPolicy.egress.%s.to is all addresses, and their port %d is also one of networkPolicy.egress.graph.ports, whose exceptions for private addresses would be void. Set networkPolicy.egress.%s.to to the addresses that are meant" $name (int $port) $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $policy.enabled .Values.serviceMonitor.enabled (not $policy.ingress.namespaces) (not $policy.ingress.from) }}
{{- fail "serviceMonitor.enabled is true, but no namespace may reach the metrics. Set networkPolicy.ingress.namespaces to the namespace of Prometheus" }}
{{- end }}
{{- end }}

{{- /* Not those of the selector: neither the Service nor the NetworkPolicy means the pod of `helm test`. */}}
{{- define "industrydata-operator.testLabels" -}}
app.kubernetes.io/name: {{ include "industrydata-operator.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
