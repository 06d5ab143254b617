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

/// The fields of a kind of node below which lists are merged; all other lists are replaced as a whole.
pub(super) type Shape = &'static [Field];

/// One field that matters for a merge.
pub(super) struct Field {
    name: &'static str,
    content: Content,
}

/// What a field holds, or an object as a whole.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Object(Shape),
    /// A list whose items are told apart by these keys (`x-kubernetes-list-map-keys`, else
    /// `x-kubernetes-patch-merge-key`), or by themselves if there are none.
    List {
        keys: &'static [&'static str],
        items: Shape,
    },
}

/// The content of a field, if it matters.
pub(super) fn field(content: Option<Content>, name: &str) -> Option<Content> {
    match content? {
        Content::Object(shape) => shape.iter().find(|field| field.name == name).map(|field| field.content),
        Content::List { .. } => None,
    }
}

/// What is known of the objects of a kind; `None` for what is not built into Kubernetes 1.21.2, Airship's
/// and Metal3's kinds among them: kustomize replaces all their lists.
pub(super) fn shape_of(api_version: &str, kind: &str) -> Option<Shape> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let is_it = |known: &&Known| {
        known.group == group && known.versions.contains(&version) && known.kinds.contains(&kind)
    };
    KINDS.iter().find(is_it)?;
    let special = SPECIAL.iter().find(|(kinds, _)| kinds.contains(&kind));
    Some(special.map_or(PLAIN, |(_, shape)| shape))
}

/// Kinds of one group that the same versions of it have.
struct Known {
    group: &'static str,
    versions: &'static [&'static str],
    kinds: &'static [&'static str],
}

const fn known(
    group: &'static str,
    versions: &'static [&'static str],
    kinds: &'static [&'static str],
) -> Known {
    Known { group, versions, kinds }
}

const V1: &[&str] = &["v1"];
const V1BETA1: &[&str] = &["v1beta1"];
const BOTH: &[&str] = &["v1", "v1beta1"];

/// The kinds with a schema (`x-kubernetes-group-version-kind` of the OpenAPI definitions).
const KINDS: &[Known] = &[
    known("", V1, &["Binding", "ComponentStatus", "ConfigMap", "Endpoints", "Event", "LimitRange"]),
    known("", V1, &["Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim", "Pod", "PodTemplate"]),
    known("", V1, &["ReplicationController", "ResourceQuota", "Secret", "Service", "ServiceAccount"]),
    known("admissionregistration.k8s.io", BOTH, CLUSTER_KINDS[1].1),
    known("apiextensions.k8s.io", BOTH, CLUSTER_KINDS[2].1),
    known("apiregistration.k8s.io", BOTH, CLUSTER_KINDS[3].1),
    known("apps", V1, &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    known("authentication.k8s.io", V1, &["TokenRequest"]),
    known("authentication.k8s.io", BOTH, &["TokenReview"]),
    known("authorization.k8s.io", BOTH, &["LocalSubjectAccessReview", "SelfSubjectAccessReview"]),
    known("authorization.k8s.io", BOTH, &["SelfSubjectRulesReview", "SubjectAccessReview"]),
    known("autoscaling", &["v1", "v2beta1", "v2beta2"], &["HorizontalPodAutoscaler"]),
    known("autoscaling", V1, &["Scale"]),
    known("batch", BOTH, &["CronJob"]),
    known("batch", V1, &["Job"]),
    known("certificates.k8s.io", BOTH, &["CertificateSigningRequest"]),
    known("coordination.k8s.io", BOTH, &["Lease"]),
    known("discovery.k8s.io", BOTH, &["EndpointSlice"]),
    known("events.k8s.io", BOTH, &["Event"]),
    known("extensions", V1BETA1, &["Ingress"]),
    known("flowcontrol.apiserver.k8s.io", V1BETA1, &["FlowSchema", "PriorityLevelConfiguration"]),
    known("networking.k8s.io", BOTH, &["Ingress", "IngressClass"]),
    known("networking.k8s.io", V1, &["NetworkPolicy"]),
    known("node.k8s.io", BOTH, &["RuntimeClass"]),
    known("policy", BOTH, &["PodDisruptionBudget"]),
    known("policy", V1BETA1, &["Eviction", "PodSecurityPolicy"]),
    known("rbac.authorization.k8s.io", BOTH, &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    known("scheduling.k8s.io", BOTH, &["PriorityClass"]),
    known("storage.k8s.io", BOTH, &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"]),
    known("storage.k8s.io", V1BETA1, &["CSIStorageCapacity"]),
];

const fn object(name: &'static str, shape: Shape) -> Field {
    Field { name, content: Content::Object(shape) }
}

const fn list(name: &'static str, keys: &'static [&'static str], items: Shape) -> Field {
    Field { name, content: Content::List { keys, items } }
}

const NAME: &[&str] = &["name"];
const IP: &[&str] = &["ip"];

/// `ObjectMeta`, which every kind has.
const METADATA: Field =
    object("metadata", &[list("finalizers", &[], &[]), list("ownerReferences", &["uid"], &[])]);
const STATUS: Field = object("status", &[list("conditions", &["type"], &[])]);
const PLAIN: Shape = &[METADATA];

/// The kinds of which more than the metadata is merged; no two groups have kinds of one name that differ.
const SPECIAL: &[(&[&str], Shape)] = &[
    (
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        &[METADATA, list("webhooks", NAME, &[])],
    ),
    (&["DaemonSet", "Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "Job"], WORKLOAD),
    (
        &["CronJob"],
        &[METADATA, object("spec", &[object("jobTemplate", &[METADATA, object("spec", TEMPLATED)])])],
    ),
    (&["ComponentStatus"], &[METADATA, list("conditions", &["type"], &[])]),
    (&["Namespace", "PersistentVolumeClaim", "PodDisruptionBudget", "APIService"], &[METADATA, STATUS]),
    (&["Node"], NODE),
    (&["Pod"], &[METADATA, object("spec", POD_SPEC), object("status", POD_STATUS)]),
    (&["PodTemplate"], &[METADATA, object("template", POD_TEMPLATE)]),
    (&["Service"], &[METADATA, object("spec", &[list("ports", &["port", "protocol"], &[])]), STATUS]),
    (&["ServiceAccount"], &[METADATA, list("secrets", NAME, &[])]),
    (&["CSINode"], &[METADATA, object("spec", &[list("drivers", NAME, &[])])]),
];

const WORKLOAD: Shape = &[METADATA, object("spec", TEMPLATED), STATUS];
const TEMPLATED: Shape = &[object("template", POD_TEMPLATE)];
const POD_TEMPLATE: Shape = &[METADATA, object("spec", POD_SPEC)];
const POD_STATUS: Shape = &[list("conditions", &["type"], &[]), list("podIPs", IP, &[])];

const NODE: Shape = &[
    METADATA,
    object("spec", &[list("podCIDRs", &[], &[])]),
    object("status", &[list("addresses", &["type"], &[]), list("conditions", &["type"], &[])]),
];

const POD_SPEC: Shape = &[
    list("containers", NAME, CONTAINER),
    list("ephemeralContainers", NAME, EPHEMERAL_CONTAINER),
    list("hostAliases", IP, &[]),
    list("imagePullSecrets", NAME, &[]),
    list("initContainers", NAME, CONTAINER),
    list("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"], &[]),
    list("volumes", NAME, &[object("ephemeral", &[object("volumeClaimTemplate", PLAIN)])]),
];

const CONTAINER: Shape = &[
    list("env", NAME, &[]),
    list("ports", &["containerPort", "protocol"], &[]),
    list("volumeDevices", &["devicePath"], &[]),
    list("volumeMounts", &["mountPath"], &[]),
];

/// The ports of an ephemeral container have no merge key.
const EPHEMERAL_CONTAINER: Shape = &[
    list("env", NAME, &[]),
    list("volumeDevices", &["devicePath"], &[]),
    list("volumeMounts", &["mountPath"], &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of a list in an object of a kind.
    fn keys(api_version: &str, kind: &str, path: &[&str]) -> Option<&'static [&'static str]> {
        let mut content = shape_of(api_version, kind).map(Content::Object);
        for name in path {
            content = match field(content, name)? {
                Content::List { keys, .. } if path.last() == Some(name) => return Some(keys),
                Content::List { items, .. } => Some(Content::Object(items)),
                object @ Content::Object(_) => Some(object),
            };
        }
        None
    }

    #[test]
    fn lists_have_the_keys_of_kubernetes() {
        let template = ["spec", "template", "spec", "containers", "ports"];
        for (api_version, kind, path, expected) in [
            ("apps/v1", "Deployment", &template[..], Some(&["containerPort", "protocol"][..])),
            ("apps/v1", "DaemonSet", &template[..4], Some(&["name"])),
            ("apps/v1beta1", "Deployment", &template[..4], None),
            (
                "batch/v1",
                "CronJob",
                &["spec", "jobTemplate", "spec", "template", "spec", "volumes"],
                Some(&["name"]),
            ),
            ("v1", "Pod", &["spec", "hostAliases"], Some(&["ip"])),
            ("v1", "Pod", &["spec", "tolerations"], None),
            ("v1", "Service", &["spec", "ports"], Some(&["port", "protocol"])),
            ("v1", "ServiceAccount", &["imagePullSecrets"], None),
            ("v1", "ConfigMap", &["metadata", "ownerReferences"], Some(&["uid"])),
            ("v1", "ConfigMap", &["metadata", "finalizers"], Some(&[])),
            ("metal3.io/v1alpha1", "BareMetalHost", &["metadata", "finalizers"], None),
        ] {
            assert_eq!(keys(api_version, kind, path), expected, "{api_version} {kind} {path:?}");
        }
    }

    #[test]
    fn kinds_of_the_cluster_are_those_that_kustomize_knows() {
        assert!(is_cluster_scoped("", "Namespace") && is_cluster_scoped("storage.k8s.io", "StorageClass"));
        assert!(!is_cluster_scoped("", "StorageClass") && !is_cluster_scoped("", "Secret"));
        // younger than the schema
        assert!(!is_cluster_scoped("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"));
    }
}
