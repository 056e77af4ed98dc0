#include "fleet/tier.h"

#include <algorithm>
#include <array>
#include <set>

namespace slipway::fleet {
namespace {

constexpr std::array<std::int64_t, 6> kDiskSizes{10, 50, 100, 200, 500, 1000};
constexpr std::size_t kTiersMax = 50;  // each is a workstation config, which may keep machines warm

bool is_label(const std::string& text) {
  return !text.empty() && text.size() <= 63 && text.front() >= 'a' && text.front() <= 'z' && text.back() != '-' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

void check(const Tier& tier) {
  const auto field = [&](std::string_view member) { return "tiers/" + tier.name + "/" + std::string(member); };
  if (!is_label(tier.name))
    throw base::validation_error("tiers", "'" + tier.name + "' is no tier's name: a-z, 0-9 and '-', a letter first");
  if (!is_label(tier.config_id())) throw base::validation_error(field("config"), "is no id of a workstation config");
  if (tier.machine_type.empty()) throw base::validation_error(field("machine_type"), "must not be empty");
  if (tier.vcpus < 1) throw base::validation_error(field("vcpus"), "must be at least 1");
  if (tier.memory_gb < 1) throw base::validation_error(field("memory_gb"), "must be at least 1");
  if (tier.monthly_cost_usd < 0) throw base::validation_error(field("monthly_cost_usd"), "must not be negative");
  if (std::ranges::find(kDiskSizes, tier.disk_gb) == kDiskSizes.end())
    throw base::validation_error(field("disk_gb"), "must be a size that Cloud Workstations has",
                                 json::Array(kDiskSizes.begin(), kDiskSizes.end()));
}

}  // namespace

std::vector<Tier> default_tiers() {
  return {{"starter", "e2-medium", 2, 4, 50, 25, {}},
          {"professional", "e2-highmem-4", 4, 32, 100, 80, {}},
          {"business", "n2-highmem-8", 8, 64, 200, 200, {}},
          {"enterprise", "n2-highmem-16", 16, 128, 500, 500, {}}};
}

Tiers::Tiers(std::vector<Tier> tiers) : tiers_(std::move(tiers)) {
  if (tiers_.empty()) throw base::validation_error("tiers", "there must be one at least");
  if (tiers_.size() > kTiersMax)
    throw base::validation_error("tiers", "there are more than " + std::to_string(kTiersMax));
  std::set<std::string> names, configs;
  for (const auto& tier : tiers_) {
    check(tier);
    if (!names.insert(tier.name).second) throw base::validation_error("tiers", "'" + tier.name + "' is there twice");
    if (!configs.insert(tier.config_id()).second)
      throw base::validation_error("tiers", "two tiers share the config '" + tier.config_id() + "'");
  }
}

const Tier* Tiers::find(std::string_view name) const {
  const auto found = std::ranges::find(tiers_, name, &Tier::name);
  return found == tiers_.end() ? nullptr : &*found;
}

const Tier& Tiers::get(std::string_view name, std::string_view field) const {
  if (const auto* tier = find(name)) return *tier;
  json::Array names;
  for (const auto& tier : tiers_) names.emplace_back(tier.name);
  throw base::validation_error(field, "is none of the tiers", std::move(names));
}

}  // namespace slipway::fleet
