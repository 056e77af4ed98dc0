#include "runner/template_files.h"

#include "provisioner/archive.h"
#include "provisioner/manifest.h"

namespace slipway::runner {

void ArchivedTemplateFiles::unpack(const std::string& archive, const std::string& directory) const {
  provisioner::unpack(archive, directory);
}

TemplateFacts ArchivedTemplateFiles::facts(const std::string& directory) const {
  auto manifest = provisioner::read_manifest(directory);
  TemplateFacts facts{.cost_of = {}, .declared = provisioner::declared_by(manifest, directory)};
  facts.cost_of = [manifest = std::move(manifest)](const fleet::Resource& resource) {
    return manifest.cost_of(resource);
  };
  return facts;
}

}  // namespace slipway::runner
