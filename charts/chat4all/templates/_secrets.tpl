{{/* Secrets are mounted as folders, never by subPath, so that what is changed in them is seen. They are optional: a pod
     whose Secret is missing starts, says which, and goes on by itself. */}}

{{/* The names of the Secrets that a component reads, as a JSON list. */}}
{{- define "chat4all.secretNames" -}}
{{- $values := .root.Values -}}
{{- $names := list -}}
{{- if not (has .component (list "simulator" "operator" "uninstall" "probe")) -}}
{{- range $engine := list $values.kafka $values.cassandra $values.directory $values.redis $values.files -}}
{{- $names = concat $names (list $engine.existingSecret) -}}
{{- if $engine.tls.enabled -}}
{{- $names = append $names $engine.tls.existingSecret -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq .component "api" -}}
{{- $names = concat $names (list $values.accounts.signingKeys.existingSecret $values.internal.existingSecret) -}}
{{- else if eq .component "operator" -}}
{{- $names = append $names $values.internal.existingSecret -}}
{{- else if eq .component "gateway" -}}
{{- $names = append $names $values.accounts.publicKeys.existingSecret -}}
{{- else if eq .component "migrate" -}}
{{- $names = concat $names (list $values.admin.existingSecret $values.probe.existingSecret) -}}
{{- else if eq .component "probe" -}}
{{- $names = append $names $values.probe.existingSecret -}}
{{- end -}}
{{- compact $names | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- define "chat4all.secretVolumes" -}}
{{- range $index, $name := include "chat4all.secretNames" . | fromJsonArray }}
- name: secret-{{ $index }}
  secret:
    secretName: {{ $name }}
    optional: true
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- define "chat4all.secretMounts" -}}
{{- range $index, $name := include "chat4all.secretNames" . | fromJsonArray }}
- name: secret-{{ $index }}
  mountPath: /secrets/{{ $name }}
  readOnly: true
{{- end }}
{{- end -}}
