#pragma once
// Archives of templates: tar, tar.gz and zip, read as what a stranger has made. Blocking.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace slipway::provisioner {

// Of one archive, packed out. More is refused, so that neither a mistake nor a bomb fills a daemon's disk.
struct ArchiveLimits {
  std::int64_t entries = 10'000;
  std::int64_t bytes = 256LL << 20;
  std::int64_t depth = 64;  // folders below each other
};

// Into `directory`, which exists and is empty. Nothing is ever written outside of it, whatever the archive says:
// entries with absolute names or '..', links that point out of it, entries below a link, devices, and entries that
// change what an earlier one made (a folder into a link) are refused with ARCHIVE_UNSAFE; what is no archive, damaged
// or encrypted with ARCHIVE_INVALID; more than the limits with ARCHIVE_TOO_LARGE (all of class user). Folders get mode
// 0700, files 0600 or, if the archive has them executable, 0700. After a failure some entries may be there.
void unpack(const std::filesystem::path& archive, const std::filesystem::path& directory,
            const ArchiveLimits& limits = {});

// What is left out of an archive, as .gitignore writes it: `*.log` anywhere, `/build` at the top, `out/` folders only,
// `!keep.log` to take one back, the last rule that fits decides. `*` and `?` do not cross a '/', `**/` does, wherever
// it stands.
class IgnoreRules {
 public:
  // The usual ones: what version control, Terraform and editors leave behind, states of any name; never
  // .terraform.lock.hcl.
  static IgnoreRules usual();
  // Adds the rules of `directory`/.slipwayignore, if there is one.
  void add_file_of(const std::filesystem::path& directory);
  void add(std::string_view rule);
  bool ignores(std::string_view path, bool is_directory) const;

 private:
  struct Rule {
    std::string pattern;
    bool directories_only = false;
    bool anchored = false;
    bool negated = false;
  };
  std::vector<Rule> rules_;
};

// Writes `directory` as a tar.gz to `file` (replaced). The same files make the same bytes: entries are sorted, without
// owner and time. What `unpack` would refuse is refused here, with the same codes. Gives the names of the files packed.
std::vector<std::string> pack(const std::filesystem::path& directory, const std::filesystem::path& file,
                              const IgnoreRules& ignored, const ArchiveLimits& limits = {});

}  // namespace slipway::provisioner
