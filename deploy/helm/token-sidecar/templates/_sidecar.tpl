{{/* All templates take the root context of the calling chart ("."). */}}

{{/* The ConfigMap. Its name starts with that of the release. */}}
{{- define "token-sidecar.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "token-sidecar.name" . }}
  labels:
    app.kubernetes.io/name: token-sidecar
    app.kubernetes.io/instance: {{ .Release.Name }}
data:
  token-sidecar.yaml: |
    {{- include "token-sidecar.config" . | nindent 4 }}
{{- end }}

{{- define "token-sidecar.name" -}}
{{ printf "%s-token-sidecar" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "token-sidecar.config" -}}
{{- $sidecar := index .Values "token-sidecar" -}}
{{- if not $sidecar.config.routes }}{{ fail "token-sidecar.config.routes: expected at least one route" }}{{ end -}}
{{ toYaml $sidecar.config }}
{{- end }}

{{/* Annotations of the pod: a changed configuration creates new pods. */}}
{{- define "token-sidecar.annotations" -}}
checksum/token-sidecar: {{ include "token-sidecar.config" . | sha256sum }}
{{- end }}

{{/* Labels of the pod, which the NetworkPolicy and the PodMonitor select. */}}
{{- define "token-sidecar.labels" -}}
token-sidecar.io/injected: "true"
{{- end }}

{{/* Fields of the pod's "securityContext". */}}
{{- define "token-sidecar.podSecurityContext" -}}
fsGroup: 65532
{{- end }}

{{/* An entry of "initContainers". */}}
{{- define "token-sidecar.initContainer" -}}
{{- $sidecar := index .Values "token-sidecar" -}}
{{- $image := $sidecar.image -}}
{{- $version := "0.1.0" -}}
- name: token-sidecar
  image: {{ if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag | default $version }}{{ end }}
  imagePullPolicy: {{ $image.pullPolicy }}
  restartPolicy: Always
  ports:
    - { name: ts-admin, containerPort: 9090 }
  {{- with $sidecar.env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  startupProbe:
    httpGet: { path: {{ $sidecar.startupPath }}, port: ts-admin }
    periodSeconds: 1
    timeoutSeconds: 2
    failureThreshold: {{ $sidecar.startupSeconds }}
  livenessProbe:
    httpGet: { path: /livez, port: ts-admin }
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
  {{- if $sidecar.readiness }}
  readinessProbe:
    httpGet: { path: /readyz, port: ts-admin }
    periodSeconds: 5
    timeoutSeconds: 2
  {{- end }}
  resources:
    {{- toYaml $sidecar.resources | nindent 4 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities: { drop: [ALL] }
    seccompProfile: { type: RuntimeDefault }
  volumeMounts:
    - { name: token-sidecar, mountPath: /etc/token-sidecar, readOnly: true }
    {{- range $sidecar.secrets }}
    - { name: {{ include "token-sidecar.volumeName" . }}, mountPath: {{ .mountPath }}, readOnly: true }
    {{- end }}
    {{- with $sidecar.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Entries of "volumes". */}}
{{- define "token-sidecar.volumes" -}}
{{- $sidecar := index .Values "token-sidecar" -}}
- name: token-sidecar
  configMap: { name: {{ include "token-sidecar.name" . }} }
{{- range $sidecar.secrets }}
- name: {{ include "token-sidecar.volumeName" . }}
  secret: { secretName: {{ .secretName }}, defaultMode: 0440 }
{{- end }}
{{- end }}

{{/* The name of a volume. Takes an entry of "secrets". */}}
{{- define "token-sidecar.volumeName" -}}
{{ printf "ts-%s" (.secretName | replace "." "-") | trunc 63 | trimSuffix "-" }}
{{- end }}
