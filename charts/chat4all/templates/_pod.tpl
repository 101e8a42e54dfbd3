{{/* Every pod of the chart: of the root context, the component, its values, and
     args: what the image runs; own: settings of its own; ports: by name; probes: whether it has health; listens: else the port that says that it is ready;
     restartPolicy; env, volumes and mounts: more of them; token: whether it talks to Kubernetes; grace: seconds that it gets to end, else what requests take. */}}
{{- define "chat4all.podSpec" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $own := .values -}}
serviceAccountName: {{ .serviceAccount | default (include "chat4all.name" .) }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
{{- with .restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
{{- with $own.imagePullSecrets | default $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.priorityClassName | default $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if .probes }}
terminationGracePeriodSeconds: {{ .grace | default (add $values.preStopSeconds $values.drainSeconds 30) }}
{{- end }}
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
containers:
  - name: {{ .component }}
    image: {{ include "chat4all.image" $root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    {{- with .command }}
    command: {{ toJson . }}
    {{- end }}
    args: {{ toJson .args }}
    {{- $environment := include "chat4all.environment" . | trim }}
    {{- $more := concat (.env | default list) ($values.extraEnv | default list) ($own.extraEnv | default list) }}
    {{- if or $environment $more }}
    env:
      {{- with $environment }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with $more }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- with .ports }}
    ports:
      {{- range $name, $port := . }}
      - name: {{ $name }}
        containerPort: {{ $port }}
        protocol: TCP
      {{- end }}
    {{- end }}
    {{- if .probes }}
    startupProbe:
      httpGet: {path: /livez, port: operations}
      periodSeconds: 2
      timeoutSeconds: 5
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /livez, port: operations}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: {path: /readyz, port: operations}
      periodSeconds: 2
      timeoutSeconds: 5
      failureThreshold: 2
    {{- if not .grace }}
    lifecycle:
      preStop:
        sleep: {seconds: {{ $values.preStopSeconds }}}
    {{- end }}
    {{- end }}
    {{- with .listens }}
    readinessProbe:
      tcpSocket: {port: {{ . }}}
      periodSeconds: 2
    {{- end }}
    resources:
      {{- toYaml $own.resources | nindent 6 }}
    securityContext:
      {{- toYaml $values.securityContext | nindent 6 }}
    volumeMounts:
      - name: tmp
        mountPath: /tmp
      {{- include "chat4all.secretMounts" . | nindent 6 }}
      {{- with concat (.mounts | default list) ($own.extraVolumeMounts | default list) ($values.extraVolumeMounts | default list) }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  {{- include "chat4all.secretVolumes" . | nindent 2 }}
  {{- with concat (.volumes | default list) ($own.extraVolumes | default list) ($values.extraVolumes | default list) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $own.nodeSelector | default $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations | default $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity | default $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .spread }}
topologySpreadConstraints:
  {{- if $own.topologySpreadConstraints }}
  {{- toYaml $own.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "chat4all.selector" $ | nindent 8 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end -}}
