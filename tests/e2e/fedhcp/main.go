// fedhcp asks a boot server for a machine's UKI as the httpboot plugin of FeDHCP does, and prints the options that the
// plugin would put into its DHCP answer.
//
// It stands in for a DHCP server in tests: same HTTP client, same header, same idea of what is a failure. The facts come
// from plugins/httpboot/plugin.go of ironcore-dev/FeDHCP at 8a59d13: a request for every DHCP message (whatever its vendor
// class), no time limit, redirects followed as Go does by default, gzip accepted, only UKIURL read. On a failure the plugin
// logs a line and answers without boot options, so that the firmware gets an address and nothing to boot.
//
// Exit status: 0 with JSON on stdout; 1 where the plugin would answer without boot options, with the reason on stderr;
// 2 for wrong flags.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

// The only vendor class that gets boot options; the plugin compares a prefix of what the client sent, and sends this back.
const vendorClass = "HTTPClient"

// bootOptions are the options that the plugin adds for a client of class HTTPClient.
type bootOptions struct {
	Protocol string `json:"protocol"`
	// 67, bootfile name (RFC 2132), or 59, OPT_BOOTFILE_URL (RFC 5970).
	BootFileOption int    `json:"bootFileOption"`
	BootFile       string `json:"bootFile"`
	// 60, class identifier (RFC 2132), or 16, OPT_VENDOR_CLASS (RFC 8415), there with enterprise number 0.
	VendorClassOption int    `json:"vendorClassOption"`
	VendorClass       string `json:"vendorClass"`
}

func options4(bootFile string) bootOptions {
	return bootOptions{
		Protocol:       "DHCPv4",
		BootFileOption: 67, BootFile: bootFile,
		VendorClassOption: 60, VendorClass: vendorClass,
	}
}

func options6(bootFile string) bootOptions {
	return bootOptions{
		Protocol:       "DHCPv6",
		BootFileOption: 59, BootFile: bootFile,
		VendorClassOption: 16, VendorClass: vendorClass,
	}
}

// checkService applies the plugin's rule for the URL in its configuration.
func checkService(service string) error {
	parsed, err := url.Parse(service)
	if err != nil {
		return fmt.Errorf("-url is no URL: %w", err)
	}
	if (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" || parsed.Path == "" {
		return fmt.Errorf("-url %q must be http or https and have a host and a path", service)
	}
	return nil
}

// fetchUKI returns the UKIURL that service names for the machine behind identifiers.
func fetchUKI(service, identifiers string) (string, error) {
	request, err := http.NewRequest(http.MethodGet, service, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("X-Forwarded-For", identifiers)

	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("the answer of %s broke off: %w", service, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s: %s", service, response.Status, body)
	}
	return ukiOf(body)
}

// ukiOf reads the one field of the answer that counts.
func ukiOf(body []byte) (string, error) {
	var answer struct {
		UKIURL string `json:"UKIURL"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("the answer is no JSON that fits: %w", err)
	}
	if answer.UKIURL == "" {
		return "", errors.New("the answer has no UKIURL, or an empty one")
	}
	return answer.UKIURL, nil
}

func fail(status int, err error) {
	fmt.Fprintf(os.Stderr, "fedhcp: %v\n", err)
	os.Exit(status)
}

func main() {
	service := flag.String("url", "", "the boot server's `URL`, such as http://127.0.0.1:8082/httpboot")
	identifiers := flag.String("xff", "", "what goes into X-Forwarded-For: `\"address, MAC\"`, or one of them alone")
	four := flag.Bool("4", false, "answer a DHCPv4 client")
	six := flag.Bool("6", false, "answer a DHCPv6 client")
	flag.Parse()

	if *four == *six || *identifiers == "" || flag.NArg() != 0 {
		fail(2, errors.New("-url, -xff and either -4 or -6 are needed, and nothing else"))
	}
	if err := checkService(*service); err != nil {
		fail(2, err)
	}
	bootFile, err := fetchUKI(*service, *identifiers)
	if err != nil {
		fail(1, err)
	}
	options := options4(bootFile)
	if *six {
		options = options6(bootFile)
	}
	encoder := json.NewEncoder(os.Stdout)
	// A boot file is shown as it is, its & not as \u0026.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(options); err != nil {
		fail(1, err)
	}
}
