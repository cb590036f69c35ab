from imtrans.cli.main import main

main()
