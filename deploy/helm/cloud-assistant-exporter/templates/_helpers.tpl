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

{{- /* Of the pod of `helm test`: not those by which the Service and the policy know an exporter. */ -}}
{{- define "cloud-assistant-exporter.testLabels" -}}
app.kubernetes.io/name: {{ include "cloud-assistant-exporter.name" . | trunc 58 }}-test
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

{{- /* Whether the record is in PostgreSQL: not empty. What cannot be together is refused here. */ -}}
{{- define "cloud-assistant-exporter.postgres" -}}
{{- $secret := .Values.state.postgres.existingSecret }}
{{- $config := .Values.config.state | default dict }}
{{- if and (gt (int .Values.replicaCount) 1) (not $secret) }}
{{- fail (printf "replicaCount is %d, and state.postgres.existingSecret is not set: without a record in PostgreSQL that replicas share, each would ask the cloud and count for itself (docs/high-availability.md)" (int .Values.replicaCount)) }}
{{- end }}
{{- if hasKey $config "postgres" }}
{{- fail "config.state.postgres: set state.postgres of the values instead, which takes the URL from a Secret and leaves the claim out" }}
{{- end }}
{{- if and $secret (hasKey $config "path") }}
{{- fail "config.state.path beside state.postgres.existingSecret: the record is in one place; remove config.state.path" }}
{{- end }}
{{- if and $secret .Values.persistence.existingClaim }}
{{- fail "persistence.existingClaim beside state.postgres.existingSecret: the record is in one place. To take the one on the claim over see docs/high-availability.md, then remove persistence.existingClaim" }}
{{- end }}
{{- $secret }}
{{- end }}

{{- /* Replicas of one exporter on different nodes: two of a kind, and the shard if there is one. */ -}}
{{- define "cloud-assistant-exporter.affinity" -}}
{{- $own := deepCopy .root.Values.affinity }}
{{- if and (gt (int .root.Values.replicaCount) 1) (not (hasKey $own "podAntiAffinity")) }}
{{- $labels := printf "%s\n%s" (include "cloud-assistant-exporter.selectorLabels" .root) (include "cloud-assistant-exporter.shardLabel" .shard) | fromYaml }}
{{- $selector := dict "matchLabels" $labels }}
{{- $node := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" $selector }}
{{- $zone := dict "topologyKey" "topology.kubernetes.io/zone" "labelSelector" $selector }}
{{- $_ := set $own "podAntiAffinity" (dict
      "requiredDuringSchedulingIgnoredDuringExecution" (list $node)
      "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" $zone))) }}
{{- end }}
{{- with $own }}{{ toYaml . }}{{ end }}
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
