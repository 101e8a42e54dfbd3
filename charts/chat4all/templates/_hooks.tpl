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

{{/* What a class of Ingress needs so that WebSockets pass and idle ones stay, and connectors are reached: README.md has the
     table. */}}
{{- define "chat4all.classAnnotations" -}}
{{- $class := .Values.ingress.className -}}
{{- if contains "contour" $class -}}
projectcontour.io/websocket-routes: /ws
projectcontour.io/response-timeout: 75s
{{- else if contains "nginx" $class -}}
nginx.ingress.kubernetes.io/proxy-read-timeout: "75"
nginx.ingress.kubernetes.io/proxy-body-size: 16m
{{- else if contains "alb" $class -}}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds=75
alb.ingress.kubernetes.io/healthcheck-path: /readyz
{{- else -}}
{}
{{- end -}}
{{- end -}}
