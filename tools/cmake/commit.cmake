# Writes which commit is being built, "+changes" behind it where the tree differs; only when that has changed, so that
# nothing is built anew.
#   cmake -DSOURCE=FOLDER -DHEADER=FILE -P commit.cmake
set(commit "")
if(EXISTS ${SOURCE}/.git)  # not that of a repository around an unpacked archive
  execute_process(COMMAND git -C ${SOURCE} describe --always --dirty=+changes --abbrev=10 --exclude=*
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT commit)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT "#define VOX_COMMIT \"${commit}\"\n")
