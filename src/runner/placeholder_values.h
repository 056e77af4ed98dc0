#pragma once
// What stands in for values that nobody has given: a template is planned when it is imported, before anybody has
// chosen its parameters.

#include <vector>

#include "base/random.h"
#include "fleet/job_messages.h"

namespace slipway::runner {

// Of each parameter its default, else its first option, else an empty or zero value within its limits.
std::vector<fleet::NamedValue> placeholder_parameters(const std::vector<fleet::TemplateParameter>& parameters);

// Whatever is empty is filled in (RUN-1): workspace `dryrun`, owner `requested_by` or `dryrunner`, random ids.
fleet::JobMetadata placeholder_metadata(fleet::JobMetadata metadata, const std::string& requested_by,
                                        base::Random& random);

}  // namespace slipway::runner
