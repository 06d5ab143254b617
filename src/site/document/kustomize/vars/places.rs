//! Where variables are looked for (`varReference`).

/// Of pods, below the path that leads to their specification.
const POD: [&str; 9] = [
    "containers/args",
    "containers/command",
    "containers/env/value",
    "containers/volumeMounts/mountPath",
    "initContainers/args",
    "initContainers/command",
    "initContainers/env/value",
    "initContainers/volumeMounts/mountPath",
    "volumes/nfs/server",
];

/// The paths in objects of a kind.
pub(super) fn of(kind: &str) -> Vec<String> {
    let below = |prefix: &str, paths: &[&str]| paths.iter().map(|path| format!("{prefix}/{path}")).collect();
    let mut paths: Vec<String> = match kind {
        "CronJob" => below("spec/jobTemplate/spec/template/spec", &POD),
        "DaemonSet" | "Deployment" | "Job" | "ReplicaSet" => below("spec/template/spec", &POD),
        "StatefulSet" => below("spec/template/spec", &POD[..POD.len() - 1]),
        "Pod" => below("spec", &POD),
        "Ingress" => below("spec", &["rules/host", "tls/hosts", "tls/secretName"]),
        "Service" => below("spec", &["ports/port", "ports/targetPort"]),
        "PersistentVolume" => below("spec", &["nfs/server"]),
        _ => Vec::new(),
    };
    if kind == "StatefulSet" {
        paths.push("spec/volumeClaimTemplates/spec/nfs/server".into());
    }
    paths.extend(["metadata/labels".into(), "metadata/annotations".into()]);
    paths
}
