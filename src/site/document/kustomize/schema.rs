//! What is known of kinds: merge keys, patch strategies, and which belong to no namespace.

/// The kinds of the cluster by their group, of the OpenAPI data of Kubernetes 1.21.2, which kustomize 5.5
/// carries (`kyaml/openapi`, `precomputedIsNamespaceScoped`). Younger kinds it takes for namespaced.
const CLUSTER_KINDS: [(&str, &[&str]); 12] = [
    ("", &["ComponentStatus", "Namespace", "Node", "NodeProxyOptions", "PersistentVolume"]),
    ("admissionregistration.k8s.io", &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("certificates.k8s.io", &["CertificateSigningRequest"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("networking.k8s.io", &["IngressClass"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("policy", &["PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"]),
];

/// Whether objects of a kind belong to the cluster, as kustomize's built-in OpenAPI data say; kinds it
/// does not know are namespaced.
pub(super) fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    CLUSTER_KINDS.iter().any(|(known, kinds)| *known == group && kinds.contains(&kind))
}
