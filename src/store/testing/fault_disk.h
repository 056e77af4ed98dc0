#pragma once
// A disk for SQLite that fails as a test says: every file call of the embedded database goes through it.
//
//   FaultDisk disk;                                            // every connection opened from now on uses it
//   disk.plan({.trouble = Trouble::io_error, .nth = 17});      // the 17th call from here fails
//   …
//   disk.heal();
//
// One at a time, and it must outlive the connections opened while it lived. Thread-safe.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/random.h"

struct sqlite3_vfs;

namespace slipway::store::testing {

enum class Trouble {
  io_error,     // of any call, each with the error that it would have
  disk_full,    // of a write
  short_write,  // the first half is written, then an error
  failed_sync,  // and what was written since the last one is never on the disk, though it can be read
  power_cut,    // at a sync: it and all after it fails, and what was not synced may be gone
};

class FaultDisk {
 public:
  struct Plan {
    Trouble trouble = Trouble::io_error;
    std::int64_t nth = 0;  // of the calls that this trouble can befall; from 1
    bool lasting = false;  // from there on all of them
  };

  FaultDisk();
  ~FaultDisk();
  FaultDisk(const FaultDisk&) = delete;
  FaultDisk& operator=(const FaultDisk&) = delete;

  void plan(Plan plan);  // counting starts here
  void heal();           // no call fails any more
  void cut_power();      // now
  bool has_struck() const;
  // How many calls there were, since the plan, that its trouble can befall.
  std::int64_t calls() const;

  // After a power cut and when everything is closed: makes the files what the disk has kept. Of writes that were not
  // synced each is there or not, as `random` decides.
  void restore(base::Random& random);

  // ---- for the file system's functions
  enum class Kind { other, write, sync };
  // Whether this call fails.
  bool strikes(Kind kind);
  Trouble trouble() const;
  // What a file has on the disk: asked for while nothing else happens to it.
  void note_open(const std::string& path);
  void note_write(const std::string& path, std::int64_t offset, const void* data, std::size_t size);
  void note_truncate(const std::string& path, std::int64_t size);
  void note_sync(const std::string& path);
  void note_failed_sync(const std::string& path);
  void note_delete(const std::string& path);

 private:
  struct Change {
    std::int64_t offset;
    std::string data;
    bool truncates;
  };
  struct File {
    std::string synced;
    std::vector<Change> since;
  };
  static void apply(std::string& content, const Change& change);

  const std::unique_ptr<sqlite3_vfs> vfs_;
  mutable std::mutex mutex_;
  // Guarded by mutex_ from here.
  Plan plan_;
  std::int64_t calls_ = 0;
  bool struck_ = false;
  std::map<std::string, File> files_;
};

}  // namespace slipway::store::testing
