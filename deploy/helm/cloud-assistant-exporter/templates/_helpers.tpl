{{- define "cloud-assistant-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "cloud-assistant-exporter.fullname" -}}
{{- $name := include "cloud-assistant-exporter.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "cloud-assistant-exporter.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "cloud-assistant-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cloud-assistant-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cloud-assistant-exporter.labels" -}}
helm.sh/chart: {{ include "cloud-assistant-exporter.chart" . }}
{{ include "cloud-assistant-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: metrics
app.kubernetes.io/part-of: {{ include "cloud-assistant-exporter.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "cloud-assistant-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "cloud-assistant-exporter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "cloud-assistant-exporter.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* One exporter for each shard, or one for everything: a list of {name, shard, config}. */ -}}
{{- define "cloud-assistant-exporter.exporters" -}}
{{- $fullname := include "cloud-assistant-exporter.fullname" . }}
{{- $exporters := list }}
{{- if .Values.shards }}
{{- if .Values.persistence.existingClaim }}{{ fail "persistence.existingClaim is one claim, and each of shards needs its own" }}{{ end }}
{{- if include "cloud-assistant-exporter.takesEvents" . }}{{ fail "events.http: all shards are behind one Service, and an event would reach any one of them; take events from queues (accounts[].events.queue), or install a release for each" }}{{ end }}
{{- $names := dict }}
{{- $accounts := dict }}
{{- range .Values.shards }}
{{- if hasKey $names .name }}{{ fail (printf "two of shards are called %s" .name) }}{{ end }}
{{- $_ := set $names .name true }}
{{- range .accounts }}
{{- if hasKey $accounts .name }}{{ fail (printf "account %s is in two shards: it would be asked and counted twice" .name) }}{{ end }}
{{- $_ := set $accounts .name true }}
{{- end }}
{{- $config := set (omit $.Values.config "accounts") "accounts" .accounts }}
{{- $exporters = append $exporters (dict "name" (printf "%s-%s" $fullname .name) "shard" .name "config" $config) }}
{{- end }}
{{- else }}
{{- $exporters = list (dict "name" $fullname "shard" "" "config" .Values.config) }}
{{- end }}
{{- toYaml $exporters }}
{{- end }}

{{- /* "true" where events are taken over HTTP. */ -}}
{{- define "cloud-assistant-exporter.takesEvents" -}}
{{- if or .Values.events.http (.Values.config.events | default dict).http }}true{{ end }}
{{- end }}

{{- /* Not empty where a queue of events is asked over plain HTTP, as those within a VPC are. */ -}}
{{- define "cloud-assistant-exporter.plainQueues" -}}
{{- range include "cloud-assistant-exporter.exporters" . | fromYamlArray }}
{{- range .config.accounts }}
{{- $events := .events | default dict }}
{{- $queue := $events.queue | default "" }}
{{- $address := hasPrefix "http" $queue | ternary $queue ($events.endpoint | default "") }}
{{- if and $queue (or (hasPrefix "http://" $address) (and (eq (.network | default "public") "vpc") (not $address))) }}{{ .name }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "cloud-assistant-exporter.shardLabel" -}}
{{- with . }}
cloud-assistant-exporter/shard: {{ . | quote }}
{{- end }}
{{- end }}
