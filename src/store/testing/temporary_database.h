#pragma once
// A fresh SQLite database in a folder of its own, which goes with it.

#include <filesystem>
#include <memory>

#include "store/store.h"

namespace slipway::store::testing {

// A folder under the system's temporary one, removed with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class TemporaryDatabase {
 public:
  TemporaryDatabase();

  Database& operator*() { return *database_; }
  Database* operator->() { return database_.get(); }
  Database& get() { return *database_; }
  std::string url() const { return folder_.path() / "slipway.db"; }
  // Closes and opens it again, as a restart of the hub does.
  void reopen();

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Database> database_;
};

}  // namespace slipway::store::testing
