#pragma once
// Cloud Workstations API v1 (workstations.googleapis.com). Names are full resource names; see resource_name.h.
//
// The API knows no request ids: a create is made safe to repeat by choosing the id first, and by looking at what is
// there when it answers ALREADY_EXISTS. Create does not start: `start` does.

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/secret.h"
#include "base/time.h"
#include "google/operation.h"

namespace slipway::google {

class ApiClient;

// `unknown` stands for every state that we have not heard of, and for none: `state_text` keeps what was said.
enum class WorkstationState { unknown, starting, running, stopping, stopped, suspending, suspended };
BOOST_DESCRIBE_ENUM(WorkstationState, unknown, starting, running, stopping, stopped, suspending, suspended)

struct Workstation {
  std::string name;
  std::string display_name;
  std::map<std::string, std::string> labels, annotations;
  std::map<std::string, std::string> env;  // the user's: not for logs
  std::string source_workstation;          // clone this one's disk
  // The rest is the API's to say.
  std::string uid, etag, host;  // https://{host} is port 80 inside; https://{port}-{host} another
  WorkstationState state = WorkstationState::unknown;
  std::string state_text;  // "STATE_RUNNING"
  bool reconciling = false;
  std::optional<base::Instant> created_at, started_at, deleted_at;
};
SLIPWAY_JSON_SNAKE(Workstation, name, display_name, labels, annotations, env, source_workstation, uid, etag, host,
                   state, state_text, reconciling, created_at, started_at, deleted_at)

struct WorkstationConfig {
  std::string name;
  std::string display_name;
  std::map<std::string, std::string> labels, annotations;
  std::string machine_type;
  std::int64_t boot_disk_size_gb = 0;  // 0: the API's default (50)
  std::int64_t pool_size = 0;
  std::string service_account;
  std::vector<std::string> tags;
  bool disable_public_ip_addresses = false;
  bool disable_ssh = false;
  bool enable_nested_virtualization = false;
  // The home. One of 10, 50, 100, 200, 500, 1000 GB; under 200 the type must be pd-balanced or pd-ssd. 0: none is asked
  // for.
  std::int64_t home_size_gb = 0;
  std::string home_disk_type;  // pd-standard, pd-balanced, pd-ssd
  bool keep_home = false;      // when the workstation is deleted: reclaimPolicy RETAIN
  std::string container_image;
  std::map<std::string, std::string> container_env;
  base::Duration idle_timeout{0}, running_timeout{0};  // 0: the API's default
  std::vector<std::string> replica_zones;              // two, or none for the API's choice
  // The rest is the API's to say.
  std::string uid, etag;
  bool reconciling = false, degraded = false;
  std::vector<std::string> conditions;  // why it is degraded, for people
  std::optional<base::Instant> created_at;
};
SLIPWAY_JSON_SNAKE(WorkstationConfig, name, display_name, labels, annotations, machine_type, boot_disk_size_gb,
                   pool_size, service_account, tags, disable_public_ip_addresses, disable_ssh,
                   enable_nested_virtualization, home_size_gb, home_disk_type, keep_home, container_image,
                   container_env, idle_timeout, running_timeout, replica_zones, uid, etag, reconciling, degraded,
                   conditions, created_at)

struct WorkstationCluster {
  std::string name;
  std::string display_name;
  std::map<std::string, std::string> labels, annotations;
  std::string network, subnetwork;  // the tenant's own (WP-22)
  bool private_endpoint = false;    // reachable from its network only
  // The rest is the API's to say.
  std::string uid, etag;
  bool reconciling = false, degraded = false;
  std::vector<std::string> conditions;
  std::optional<base::Instant> created_at;
};
SLIPWAY_JSON_SNAKE(WorkstationCluster, name, display_name, labels, annotations, network, subnetwork, private_endpoint,
                   uid, etag, reconciling, degraded, conditions, created_at)

struct WorkstationAccess {
  base::Secret token;
  base::Instant expires_at;
};

struct ListOptions {
  std::string fields;  // a mask such as "workstations(name,state,labels),nextPageToken"; empty: everything
  std::string filter;  // AIP-160
  std::int64_t page_size = 500;
  std::int64_t pages_max = 1000;  // TOO_MANY_PAGES beyond
};
template <class T>
struct Listed {
  std::vector<T> items;
  std::vector<std::string> unreachable;  // places that did not answer: what is there is missing from `items`
};

// Wire to struct and back; unknown members are skipped, missing ones keep their defaults.
Workstation parse_workstation(const json::Value& wire);
json::Value to_wire(const Workstation& workstation);  // what a caller may set, with the env in clear
WorkstationConfig parse_config(const json::Value& wire);
json::Value to_wire(const WorkstationConfig& config);
WorkstationCluster parse_cluster(const json::Value& wire);
json::Value to_wire(const WorkstationCluster& cluster);

// Thread-safe; every call blocks. Errors: google/api_client.h; VALIDATION_ERROR before a call for ids that cannot be.
class WorkstationsClient {
 public:
  WorkstationsClient(ApiClient& api, std::string endpoint);

  Operation create_workstation(const std::string& config, const std::string& id, const Workstation& workstation,
                               std::stop_token stop = {});
  Workstation get_workstation(const std::string& name, std::stop_token stop = {});
  std::optional<Workstation> find_workstation(const std::string& name, std::stop_token stop = {});
  Listed<Workstation> list_workstations(const std::string& config, const ListOptions& options = {},
                                        std::stop_token stop = {});
  Operation start_workstation(const std::string& name, const std::string& etag = {}, std::stop_token stop = {});
  Operation stop_workstation(const std::string& name, const std::string& etag = {}, std::stop_token stop = {});
  Operation remove_workstation(const std::string& name, const std::string& etag = {}, std::stop_token stop = {});
  // `ttl` at most 24 hours; 0: the API's default of one. `port` 0: all ports.
  WorkstationAccess generate_access_token(const std::string& name, base::Duration ttl = {}, int port = 0,
                                          std::stop_token stop = {});

  Operation create_config(const std::string& cluster, const std::string& id, const WorkstationConfig& config,
                          std::stop_token stop = {});
  WorkstationConfig get_config(const std::string& name, std::stop_token stop = {});
  std::optional<WorkstationConfig> find_config(const std::string& name, std::stop_token stop = {});
  Listed<WorkstationConfig> list_configs(const std::string& cluster, const ListOptions& options = {},
                                         std::stop_token stop = {});
  // `update_mask` in the API's names: "host.gceInstance.machineType,labels".
  Operation update_config(const WorkstationConfig& config, const std::string& update_mask, std::stop_token stop = {});
  Operation remove_config(const std::string& name, const std::string& etag = {}, std::stop_token stop = {});

  Operation create_cluster(const std::string& location, const std::string& id, const WorkstationCluster& cluster,
                           std::stop_token stop = {});
  WorkstationCluster get_cluster(const std::string& name, std::stop_token stop = {});
  std::optional<WorkstationCluster> find_cluster(const std::string& name, std::stop_token stop = {});
  Listed<WorkstationCluster> list_clusters(const std::string& location, const ListOptions& options = {},
                                           std::stop_token stop = {});
  Operation update_cluster(const WorkstationCluster& cluster, const std::string& update_mask,
                           std::stop_token stop = {});
  Operation remove_cluster(const std::string& name, const std::string& etag = {}, std::stop_token stop = {});

  Operations& operations() { return operations_; }

 private:
  // `method` names the call; `name` and `collection` are paths below /v1/.
  json::Value get(const char* method, const std::string& name, std::stop_token stop);
  std::optional<json::Value> find(const char* method, const std::string& name, std::stop_token stop);
  template <class T>
  Listed<T> list(const char* method, const std::string& parent, const char* collection, T (*parse)(const json::Value&),
                 const ListOptions& options, std::stop_token stop);
  Operation create(const char* method, const std::string& collection, const char* id_name, const std::string& id,
                   json::Value body, std::stop_token stop);
  Operation update(const char* method, const std::string& name, const std::string& update_mask, json::Value body,
                   const std::string& etag, std::stop_token stop);
  Operation act(const char* method, const std::string& name, const char* verb, const std::string& etag,
                std::stop_token stop);
  Operation remove(const char* method, const std::string& name, const std::string& etag, std::stop_token stop);

  ApiClient& api_;
  std::string endpoint_;
  Operations operations_;
};

}  // namespace slipway::google
