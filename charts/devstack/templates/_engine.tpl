{{/* One engine: a StatefulSet of one pod and its Service. `env`, `args`, `command`: of its container. */}}
{{- define "devstack.engine" -}}
{{- $engine := get .root.Values.engines .name -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  labels: {app.kubernetes.io/part-of: devstack, app.kubernetes.io/name: {{ .name }}}
spec:
  selector: {app.kubernetes.io/part-of: devstack, app.kubernetes.io/name: {{ .name }}}
  ports: [{name: main, port: {{ $engine.port }}, targetPort: main}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .name }}
  labels: {app.kubernetes.io/part-of: devstack, app.kubernetes.io/name: {{ .name }}}
spec:
  serviceName: {{ .name }}
  replicas: 1
  selector:
    matchLabels: {app.kubernetes.io/part-of: devstack, app.kubernetes.io/name: {{ .name }}}
  template:
    metadata:
      labels: {app.kubernetes.io/part-of: devstack, app.kubernetes.io/name: {{ .name }}}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 10
      containers:
        - name: {{ .name }}
          image: {{ $engine.image }}
          {{- with .command }}
          command: {{ toJson . }}
          {{- end }}
          {{- with .args }}
          args: {{ toJson . }}
          {{- end }}
          {{- with .env }}
          env:
            {{- range $name, $value := . }}
            - {name: {{ $name }}, value: {{ $value | quote }}}
            {{- end }}
          {{- end }}
          ports: [{name: main, containerPort: {{ $engine.port }}}]
          readinessProbe:
            tcpSocket: {port: main}
            periodSeconds: 3
          resources:
            {{- toYaml $engine.resources | nindent 12 }}
{{- end -}}
