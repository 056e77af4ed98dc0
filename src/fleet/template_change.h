#pragma once
// What the change feed tells of templates and of their versions.

#include "fleet/template.h"

namespace slipway::fleet {

struct TemplateChange {
  TemplateId id;
  std::string name;
  std::string display_name;
  std::optional<TemplateVersionId> active_version_id;
  std::optional<std::string> active_version;
  std::optional<std::string> deprecated;
  std::optional<std::int64_t> jobs_max;
  UserId owner_id;
  std::int64_t version = 1;
};
SLIPWAY_JSON_CAMEL(TemplateChange, id, name, display_name, active_version_id, active_version, deprecated, jobs_max,
                   owner_id, version)

struct VersionChange {
  TemplateVersionId id;
  TemplateId template_id;
  std::string template_name;
  std::string name;
  std::string message;
  VersionStatus status = VersionStatus::importing;
  std::optional<Problem> error;
  UserId created_by;
};
SLIPWAY_JSON_CAMEL(VersionChange, id, template_id, template_name, name, message, status, error, created_by)

}  // namespace slipway::fleet
