// The commands of `juxmem`. Each takes its arguments (without its name) and returns the exit code: 0 done, 1 failed, 2 wrong usage.
#pragma once

#include "apps/juxmem/command_line.h"

namespace juxmem {

int grid_command(const Arguments& arguments);  // grid start, grid stop
int status_command(const Arguments& arguments);
int provider_command(const Arguments& arguments);  // provider drain
int group_command(const Arguments& arguments);     // group move
int rebalance_command(const Arguments& arguments);
int ls_command(const Arguments& arguments);
int stat_command(const Arguments& arguments);
int rm_command(const Arguments& arguments);
int import_command(const Arguments& arguments);
int export_command(const Arguments& arguments);
int inspect_command(const Arguments& arguments);
int key_command(const Arguments& arguments);  // key new, show, admit, revoke, list
int doctor_command(const Arguments& arguments);

}  // namespace juxmem
