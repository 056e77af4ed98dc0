#pragma once
// What is read of a template's files before its provisioner sees them.

#include <functional>
#include <optional>
#include <string>

#include "fleet/job_messages.h"

namespace slipway::runner {

// What a template says of itself, whatever its provisioner.
struct TemplateFacts {
  using CostOf = std::function<std::optional<std::int64_t>(const fleet::Resource&)>;
  CostOf cost_of;                  // daily; may be empty
  fleet::ParsedTemplate declared;  // parameters, tags, README
};

// Blocking, for workers; thread-safe. Both throw base::Error.
class TemplateFiles {
 public:
  virtual ~TemplateFiles() = default;
  // `directory` exists and is empty.
  virtual void unpack(const std::string& archive, const std::string& directory) const = 0;
  virtual TemplateFacts facts(const std::string& directory) const = 0;
};

// Archives and template.toml, as provisioner/ reads them.
class ArchivedTemplateFiles final : public TemplateFiles {
 public:
  void unpack(const std::string& archive, const std::string& directory) const override;
  TemplateFacts facts(const std::string& directory) const override;
};

}  // namespace slipway::runner
