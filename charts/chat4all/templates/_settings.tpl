{{/* The environment of a pod: settings by section, as CHAT4ALL_<SECTION>__<NAME>. docs/settings.md lists them all. */}}

{{/* Which sections each component reads. */}}
{{- define "chat4all.sections" -}}
engines: [log, kafka, cassandra, directory, redis, files]
api: [server, operations, tracing, accounts, api, internal]
gateway: [server, operations, tracing, accounts, gateway]
router: [server, operations, tracing, routing]
connector: [server, operations, tracing, channels]
migrate: [accounts]
simulator: [simulator]
operator: [operator]
uninstall: [operator]
probe: []
{{- end -}}

{{/* What the values say of each engine and of a few more, beside `settings`; secrets are files, by their Secret's name
     and key. */}}
{{- define "chat4all.ownSettings" -}}
{{- $values := .Values -}}
kafka:
  servers: {{ $values.kafka.servers | quote }}
  replication: {{ $values.kafka.replication | toJson }}
  minInsyncReplicas: {{ $values.kafka.minInsyncReplicas | toJson }}
  {{- include "chat4all.secured" (dict "engine" $values.kafka "folder" "kafka") | nindent 2 }}
cassandra:
  hosts: {{ $values.cassandra.hosts | quote }}
  port: {{ $values.cassandra.port | toJson }}
  datacenter: {{ $values.cassandra.datacenter | quote }}
  replication: {{ $values.cassandra.replication | toJson }}
  {{- include "chat4all.secured" (dict "engine" $values.cassandra) | nindent 2 }}
directory:
  dialect: {{ $values.directory.dialect | quote }}
  host: {{ $values.directory.host | quote }}
  port: {{ $values.directory.port | toJson }}
  database: {{ $values.directory.database | quote }}
  {{- include "chat4all.secured" (dict "engine" $values.directory) | nindent 2 }}
redis:
  host: {{ $values.redis.host | quote }}
  port: {{ $values.redis.port | toJson }}
  {{- include "chat4all.secured" (dict "engine" $values.redis) | nindent 2 }}
files:
  endpoint: {{ $values.files.endpoint | quote }}
  bucket: {{ $values.files.bucket | quote }}
  region: {{ $values.files.region | quote }}
  {{- include "chat4all.secured" (dict "engine" $values.files) | nindent 2 }}
log:
  partitions: {{ $values.partitions | toJson }}
accounts:
  registration: {{ $values.accounts.registration }}
api:
  corsOrigins: {{ $values.accounts.corsOrigins | quote }}
internal:
  host: "0.0.0.0"
  port: 8002
  tokenFile: {{ printf "/secrets/%s/token" $values.internal.existingSecret }}
server:
  host: "0.0.0.0"
  drainSeconds: {{ $values.drainSeconds | toJson }}
operations:
  host: "0.0.0.0"
  port: 9090
gateway:
  port: 8001
channels:
  port: 8010
simulator:
  host: "0.0.0.0"
  port: 8020
  data: /data
  hosts: ["*"]
{{- end -}}

{{/* How an engine is logged in to, and its TLS. */}}
{{- define "chat4all.secured" -}}
{{- with .engine -}}
{{- with .user }}
user: {{ . | quote }}
{{- end }}
{{- with .existingSecret }}
passwordFile: /secrets/{{ . }}/{{ $.engine.passwordKey }}
{{- end }}
{{- if .tls.enabled }}
tls: true
{{- with .tls.existingSecret }}
caFile: /secrets/{{ . }}/ca.crt
{{- if $.engine.tls.clientCertificate }}
certificateFile: /secrets/{{ . }}/tls.crt
keyFile: /secrets/{{ . }}/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The environment of one component: of the root context, the component and `own`, its own settings. */}}
{{- define "chat4all.environment" -}}
{{- $root := .root -}}
{{- $component := .component -}}
{{- $table := include "chat4all.sections" $root | fromYaml -}}
{{- $own := include "chat4all.ownSettings" $root | fromYaml -}}
{{- $all := mergeOverwrite (dict) $own (deepCopy $root.Values.settings) (.own | default dict) -}}
{{- $sections := get $table $component -}}
{{- if not (has $component (list "simulator" "operator" "uninstall" "probe")) -}}
{{- $sections = concat $sections $table.engines -}}
{{- end -}}
{{- range $section := $sections | sortAlpha }}
{{- $settings := get $all $section | default dict }}
{{- range $name := keys $settings | sortAlpha }}
{{- $value := get $settings $name }}
{{- if not (kindIs "invalid" $value) }}
- name: CHAT4ALL_{{ $section | upper }}__{{ $name | snakecase | upper }}
  value: {{ ternary $value ($value | toJson) (kindIs "string" $value) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
