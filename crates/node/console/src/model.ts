// What the node says, as `overspill_wire` writes it. Optional fields may be absent.

export interface NodeStatus {
  role: string;
  name: string;
  zone?: string;
  version: string;
  uptime_s: number;
  flows: number;
  egress_bytes_per_s: number;
  capacity_bytes_per_s: number;
  flows_served: number;
  bytes_served: number;
  server?: string;
}

export interface CatalogStatus {
  revision: number;
  files: number;
  folders: number;
  bytes: number;
  unhashed: number;
  complete: number;
  missing_objects: number;
  missing_bytes: number;
  damaged: number;
  resident_bytes: number;
}

export interface DecisionCounts {
  serve: number;
  redirect: number;
  relay: number;
  stripe: number;
  switch: number;
  wait: number;
  reject: number;
  avoided: number;
}

export interface MemberStatus {
  name: string;
  url: string;
  state: string;
  since_unix_ms: number;
  standing?: string;
  zone?: string;
  condition?: string;
  version: string;
  lag_revisions: number;
  missing_objects: number;
  missing_bytes: number;
  flows: number;
  egress_bytes_per_s: number;
  capacity_bytes_per_s: number;
  flows_served: number;
  bytes_served: number;
  flows_cut: number;
  errors: number;
  cpu_ratio: number;
  disk_ratio: number;
  error_ratio: number;
}

export interface FleetStatus {
  node: NodeStatus;
  instance: string;
  catalog: CatalogStatus;
  policy?: string;
  decisions?: DecisionCounts;
  members: MemberStatus[];
  told?: MemberStatus[];
  problems: string[];
}

export interface Decided {
  number: number;
  age_ms: number;
  client: string;
  path?: string;
  root: string;
  bytes: number;
  part: string;
  decision: string;
  choice?: string;
  instead_of?: string;
  cost_s: number;
  candidates: number;
}

export interface FlowEntry {
  path: string;
  client: string;
  member?: string;
  bytes: number;
  sent_bytes: number;
  age_ms: number;
}

export interface FileDemand {
  path: string;
  bytes: number;
  surplus_bytes: number;
  requests: number;
}

export interface LiveNow {
  decided: Decided[];
  flows: FlowEntry[];
  files: FileDemand[];
}

export interface Second {
  at_unix_ms: number;
  egress_bytes_per_s: number;
  fleet_bytes_per_s: number;
  flows: number;
}

export interface History {
  at_unix_ms: number[];
  egress_bytes_per_s: number[];
  fleet_bytes_per_s: number[];
  flows: number[];
}

export interface MemberHistory {
  member: string;
  at_unix_ms: number[];
  egress_bytes_per_s: number[];
}

export interface Snapshot {
  seq: number;
  at_unix_ms: number;
  status: FleetStatus;
  history: History;
  now: LiveNow;
}

export interface Sample {
  seq: number;
  at_unix_ms: number;
  node: NodeStatus;
  catalog: CatalogStatus;
  policy?: string;
  decisions?: DecisionCounts;
  members: MemberStatus[];
  gone: string[];
  problems: string[];
  second: Second;
  now: LiveNow;
}

export interface Session {
  is_admin: boolean;
  server?: string;
}

export interface FleetEvent {
  seq: number;
  at: string;
  level: string;
  event: string;
  text: string;
  fields: Record<string, unknown>;
}

export interface CostParts {
  net_s: number;
  send_s: number;
  share_s: number;
  client_s: number;
  penalty: number;
  bias: number;
  total_s: number;
}

export interface Explanation {
  path: string;
  root: string;
  bytes: number;
  client: string;
  client_zone?: string;
  node: string;
  policy: string;
  offload: string;
  is_offloading: boolean;
  is_browned_out: boolean;
  waiting: number;
  choice?: string;
  ground: string;
  candidates: {
    node: string;
    by?: string;
    zone?: string;
    is_weighed: boolean;
    flows: number;
    capacity_bytes_per_s: number;
    cost: CostParts;
  }[];
  excluded: { node: string; reason: string }[];
}
