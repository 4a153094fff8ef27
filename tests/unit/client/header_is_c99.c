/* Compiles only while the public header is plain C99 and complete in itself. */
#include <juxmem/juxmem.h>

const char* juxmem_header_symbols(int i);

const char* juxmem_header_symbols(int i) {
  static const enum juxmem_error codes[] = {JUXMEM_OK, JUXMEM_EOWNERDEAD};
  juxmem_options options;
  juxmem_attr attr;
  juxmem_stat_info info;
  juxmem_options_init(&options);
  juxmem_attr_init(&attr);
  info.size = options.struct_size + attr.struct_size;
  return info.size != 0 ? juxmem_strerror((int)codes[i]) : juxmem_version();
}
