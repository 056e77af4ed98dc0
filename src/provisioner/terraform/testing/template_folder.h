#pragma once
// Templates of tests: folders that go with the test; and what the machine's Terraform makes of one.

#include <filesystem>
#include <map>
#include <string>

namespace slipway::provisioner::terraform {

class TemplateFolder {
 public:
  // File names, perhaps with folders, and what is in them.
  explicit TemplateFolder(const std::map<std::string, std::string>& files = {});
  ~TemplateFolder();
  TemplateFolder(const TemplateFolder&) = delete;
  TemplateFolder& operator=(const TemplateFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

bool terraform_is_there();
// The folder's string outputs, after an apply.
std::map<std::string, std::string> outputs_of_terraform(const std::filesystem::path& folder);

}  // namespace slipway::provisioner::terraform
