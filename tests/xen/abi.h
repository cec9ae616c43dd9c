/* What Xen's headers say of sizes, places and numbers. */
#ifndef ABI_H
#define ABI_H

/* Prints it as one line of JSON. */
void print_abi(void);

#endif
