librpcore_la_SOURCES += %D%/lane.h %D%/wait.c
