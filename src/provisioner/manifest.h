#pragma once
// template.toml: what a template says of itself, whatever provisioner builds it. Optional: without it, everything has
// its default.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/job_messages.h"

namespace slipway::provisioner {

inline constexpr const char* kManifestName = "template.toml";

// What a resource costs a day, in credits (RUN-11).
struct DailyCost {
  std::string resource;  // a glob of its address or its type
  std::int64_t daily = 0;
};

struct Manifest {
  std::string display_name;
  std::string description;
  std::string icon;
  std::string provisioner = "terraform";
  std::map<std::string, std::string> tags;
  std::vector<fleet::TemplateParameter> parameters;
  std::vector<DailyCost> costs;

  // By the first entry that fits; empty if none does. What is destroyed or only read costs nothing.
  std::optional<std::int64_t> cost_of(const fleet::Resource& resource) const;
};

// Throws TEMPLATE_INVALID (user) with line and key: also for a key that does not exist.
Manifest parse_manifest(std::string_view toml);
// Of a template's folder.
Manifest read_manifest(const std::filesystem::path& directory);
// README.md of a template's folder (also in another case), at most `kReadmeMax` bytes; empty if there is none.
inline constexpr std::size_t kReadmeMax = 256 << 10;  // it is shown, not downloaded
std::string read_readme(const std::filesystem::path& directory);

// What a template says of itself, whatever its provisioner: parameters and tags of its manifest, its README.
fleet::ParsedTemplate declared_by(const Manifest& manifest, const std::filesystem::path& directory);
// Adds it to what a provisioner has found. A parameter or tag of both is the declared one; of READMEs the one found.
void add_declared(fleet::ParsedTemplate& parsed, const fleet::ParsedTemplate& declared);

}  // namespace slipway::provisioner
