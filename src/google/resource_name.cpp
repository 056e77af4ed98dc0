#include "google/resource_name.h"

#include <algorithm>
#include <span>
#include <vector>

namespace slipway::google {

namespace {

constexpr std::string_view kCollections[] = {"projects", "locations", "workstationClusters", "workstationConfigs",
                                             "workstations"};
constexpr std::size_t kIdBytesMax = 63;

std::string join(std::initializer_list<std::string_view> ids) {
  std::string result;
  std::size_t level = 0;
  for (const auto id : ids) {
    if (level > 0) result += '/';
    result += kCollections[level++];
    result += '/';
    result += id;
  }
  return result;
}

// A project may be "example.com:name"; the rest are letters, digits and signs. Never anything that a URL gives meaning.
bool is_plain(std::string_view id) {
  return !id.empty() && id != "." && id != ".." && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.:").contains(c);
  });
}

// The ids of a name of exactly so many levels; empty when it is none.
std::vector<std::string> split(std::string_view name, std::size_t levels) {
  std::vector<std::string> ids;
  for (std::size_t level = 0; level < levels; ++level) {
    const auto collection = name.substr(0, name.find('/'));
    if (collection != kCollections[level] || collection.size() == name.size()) return {};
    name.remove_prefix(collection.size() + 1);
    const auto id = name.substr(0, name.find('/'));
    const bool is_last = level + 1 == levels;
    if (!is_plain(id) || is_last != (id.size() == name.size())) return {};
    ids.emplace_back(id);
    if (!is_last) name.remove_prefix(id.size() + 1);
  }
  return ids;
}

}  // namespace

std::string LocationName::str() const { return join({project, location}); }
std::string ClusterName::str() const { return join({project, location, cluster}); }
std::string ConfigName::str() const { return join({project, location, cluster, config}); }
std::string WorkstationName::str() const { return join({project, location, cluster, config, workstation}); }

std::optional<LocationName> parse_location_name(std::string_view name) {
  const auto ids = split(name, 2);
  if (ids.empty()) return std::nullopt;
  return LocationName{ids[0], ids[1]};
}
std::optional<ClusterName> parse_cluster_name(std::string_view name) {
  const auto ids = split(name, 3);
  if (ids.empty()) return std::nullopt;
  return ClusterName{ids[0], ids[1], ids[2]};
}
std::optional<ConfigName> parse_config_name(std::string_view name) {
  const auto ids = split(name, 4);
  if (ids.empty()) return std::nullopt;
  return ConfigName{ids[0], ids[1], ids[2], ids[3]};
}
std::optional<WorkstationName> parse_workstation_name(std::string_view name) {
  const auto ids = split(name, 5);
  if (ids.empty()) return std::nullopt;
  return WorkstationName{ids[0], ids[1], ids[2], ids[3], ids[4]};
}

bool is_resource_id(std::string_view id) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_inner = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  return id.size() >= 2 && id.size() <= kIdBytesMax && is_letter(id.front()) && id.back() != '-' &&
         std::ranges::all_of(id, is_inner);
}

}  // namespace slipway::google
