#pragma once
// What workstations are sold as: a tier's name stands for a machine, its disk and about what it costs (WP-2).

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace slipway::fleet {

struct Tier {
  std::string name;
  std::string machine_type;  // of Compute Engine
  std::int64_t vcpus = 0;
  std::int64_t memory_gb = 0;
  std::int64_t disk_gb = 0;           // of the persistent home: 10, 50, 100, 200, 500 or 1000 (Cloud Workstations v1)
  std::int64_t monthly_cost_usd = 0;  // about
  std::string config;                 // the workstation config in an organization's cluster; the tier's name if empty
  const std::string& config_id() const { return config.empty() ? name : config; }
};
SLIPWAY_JSON_CAMEL(Tier, name, machine_type, vcpus, memory_gb, disk_gb, monthly_cost_usd, config)

// starter, professional, business, enterprise.
std::vector<Tier> default_tiers();

// An immutable table, in the order in which it was written down.
class Tiers {
 public:
  // Throws VALIDATION_ERROR for a table that cannot be right: no tier, a name twice, a disk that the API refuses.
  explicit Tiers(std::vector<Tier> tiers = default_tiers());
  const Tier* find(std::string_view name) const;
  // Throws VALIDATION_ERROR naming `field`, with the names that there are.
  const Tier& get(std::string_view name, std::string_view field = "tier") const;
  const std::vector<Tier>& all() const { return tiers_; }

 private:
  std::vector<Tier> tiers_;
};

}  // namespace slipway::fleet
