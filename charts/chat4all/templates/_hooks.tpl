{{/* Where providers reach connectors: what hooks.publicURL says, or what the way in implies; nothing where there is none. */}}
{{- define "chat4all.publicURL" -}}
{{- $values := .Values -}}
{{- if $values.hooks.publicURL -}}
{{ $values.hooks.publicURL | trimSuffix "/" }}
{{- else -}}
{{- $host := $values.hooks.host | default (ternary $values.ingress.host (first (append $values.httpRoute.hostnames "")) $values.ingress.enabled) -}}
{{- if and $host (or $values.ingress.enabled $values.httpRoute.enabled) -}}
{{ ternary "http" "https" (and $values.ingress.enabled (empty $values.ingress.tls) (not (contains "alb" $values.ingress.className))) }}://{{ $host }}
{{- end -}}
{{- end -}}
{{- end -}}
